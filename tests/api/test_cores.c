/* Any number of cores gives one core's bits: every format and level, the caller a core or apart, every idle strategy;
 * streams settled whole, in units or not at all, cloned, reset, saved on one engine and restored on another. Where the
 * machine has fewer CPUs, cores share them and yield.
 *
 * PENSTOCK_MODELS: how many models of each test at most (25). With 3, every format still runs at every level, every
 * number of cores with either caller, and every idle strategy on two cores or more. PENSTOCK_SEED: the first seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "../support/expect.h"
#include "../support/model.h"

enum { STEPS = 24, STATE = 1 << 16 };

static pst_engine *engine_on(const pst_program *p, const char *level, uint32_t cores, int caller, int idle) {
    pst_engine_options o;
    pst_engine *e;
    PST_INIT(o);
    o.level = level;
    o.cores = cores;
    o.caller = caller;
    o.idle = idle;
    o.flags = PST_ENGINE_OVERSUBSCRIBE | PST_ENGINE_NO_HUGE_PAGES;
    OK(pst_engine_open(p, &o, &e));
    return e;
}

typedef struct {
    uint32_t inputs, outputs;
    float *x, *y; /* [STEPS], of each of two streams */
    unsigned char *state[2];
    size_t state_bytes;
} record;

static record record_of(const pst_program *p, uint64_t seed) {
    pst_info info;
    PST_INIT(info);
    OK(pst_program_get_info(p, &info));
    record r = {info.inputs,
                info.outputs,
                model_normals(seed, 2 * (size_t)STEPS * info.inputs),
                calloc(2 * (size_t)STEPS * info.outputs, sizeof(float)),
                {NULL, NULL},
                (size_t)info.state_bytes};
    for (int k = 0; k < 2; k++)
        r.state[k] = calloc(1, r.state_bytes + 1);
    return r;
}

static void record_free(record *r) {
    free(r->x);
    free(r->y);
    free(r->state[0]);
    free(r->state[1]);
}

/* Two streams in turn, in an order and with settles that `seed` draws; what is drawn does not change the answers. */
static void run(pst_engine *e, record *r, uint64_t seed) {
    model_noise noise = {seed};
    pst_stream *s[2] = {model_stream(e), model_stream(e)}, *copy;
    int done[2] = {0, 0};
    while (done[0] + done[1] < 2 * STEPS) {
        int k = (int)model_choose(&noise, 2);
        if (done[k] == STEPS)
            continue;
        size_t at = (size_t)k * STEPS + (size_t)done[k]++;
        OK(pst_step(s[k], r->x + at * r->inputs, r->inputs, r->y + at * r->outputs, r->outputs));
        uint32_t left = 1;
        switch (model_choose(&noise, 12)) {
        case 0: /* a saved state, and a stream that has gone elsewhere since */
            assert_int_equal(pst_stream_state_size(s[k]), r->state_bytes);
            OK(pst_stream_save(s[k], r->state[k], r->state_bytes));
            OK(pst_stream_reset(s[k]));
            OK(pst_stream_restore(s[k], r->state[k], r->state_bytes));
            break;
        case 1:
            OK(pst_stream_clone(s[k], &copy));
            pst_stream_close(s[k]);
            s[k] = copy;
            break;
        case 2:
            OK(pst_warm(s[k]));
            break;
        case 3:
        case 4:
        case 5:
            break;
        case 6:
            while (left)
                OK(pst_settle(s[k], 1 + model_choose(&noise, 3), &left));
            break;
        default:
            OK(pst_settle(s[k], model_choose(&noise, 4), NULL));
        }
    }
    for (int k = 0; k < 2; k++) {
        OK(pst_stream_save(s[k], r->state[k], r->state_bytes));
        pst_stream_close(s[k]);
    }
}

static void same(const record *a, const record *b, const char *what) {
    if (memcmp(a->y, b->y, 2 * (size_t)STEPS * a->outputs * sizeof(float)) != 0)
        fail_msg("%s: y differs", what);
    for (int k = 0; k < 2; k++)
        if (memcmp(a->state[k], b->state[k], a->state_bytes) != 0)
            fail_msg("%s: the state differs", what);
}

static void one_model(const pst_model *m, uint64_t seed, const uint32_t *cores, size_t count) {
    const char *const *levels;
    size_t level_count;
    pst_levels(&levels, &level_count);
    for (int f = 0; f < MODEL_EVERY; f++) {
        if (!model_takes(f, seed))
            continue;
        pst_program *p = model_program_held(m, &model_every[f]);
        record expect = record_of(p, seed), found = record_of(p, seed);
        pst_engine *one = engine_on(p, "scalar", 1, PST_CALLER_CORE, PST_IDLE_AUTO);
        run(one, &expect, seed);
        pst_engine_close(one);
        for (size_t c = 0; c < count; c++) {
            char what[96];
            int caller = (int)((seed + c) % 3 == 0), idle = (int)((seed + c + (uint64_t)f) % 5);
            const char *level = levels[(seed + c) % level_count];
            snprintf(what, sizeof what, "seed %llu, %s at %s on %u cores, caller %d, idle %d", (unsigned long long)seed,
                     model_every[f].format, level, cores[c], caller, idle);
            if (cores[c] > 2 && (idle == PST_IDLE_SPIN || idle == PST_IDLE_WAIT))
                idle = PST_IDLE_AUTO; /* it would poll through the time slices of those it waits for */
            pst_engine *e =
                engine_on(p, level, cores[c], caller, caller && idle != PST_IDLE_PARK ? PST_IDLE_YIELD : idle);
            run(e, &found, seed + c); /* another order */
            pst_engine_close(e);
            same(&expect, &found, what);
        }
        record_free(&expect);
        record_free(&found);
        pst_program_free(p);
    }
}

static uint64_t most_models = 25;

/* Any chain of layers, any widths. */
static void test_random_models(void **unused) {
    (void)unused;
    static const uint32_t cores[] = {1, 2, 3, 4, 8};
    uint64_t first = 77; /* narrow ones first, for short runs */
    const char *given = getenv("PENSTOCK_SEED");
    if (given)
        first = strtoull(given, NULL, 10);
    print_message("seeds from %llu on\n", (unsigned long long)first);
    for (uint64_t seed = first; seed < first + most_models; seed++) {
        pst_model *m = model_random(seed, 120);
        one_model(m, seed, cores, sizeof cores / sizeof *cores);
        pst_model_free(m);
    }
}

/* Sizes whose slices are uneven, narrow or none: 4 units on 8 cores, 100, 480; Linears that are divided. */
static void test_shapes(void **unused) {
    (void)unused;
    static const model_part shapes[][4] = {
        {MODEL_LSTM_STATE(4), MODEL_LSTM(4), MODEL_LINEAR(1)},
        {MODEL_LINEAR(70), MODEL_LSTM(33), MODEL_LINEAR(300)},
        {MODEL_LSTM(64), MODEL_ACTIVATION("tanh"), MODEL_LINEAR(48), MODEL_SOFTMAX},
        {MODEL_LSTM(20), MODEL_LSTM_STATE(112)},
        {MODEL_LSTM(100), MODEL_LSTM_STATE(100), MODEL_LINEAR(1)},
        {MODEL_LSTM(480), MODEL_LINEAR(130)},
    };
    static const uint32_t cores[] = {2, 3, 4, 8};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes && i < most_models; i++) {
        size_t parts = 0;
        while (parts < 4 && shapes[i][parts].kind)
            parts++;
        pst_model *m = model_make(i == 5 ? 480 : 50, shapes[i], parts, i, 1.5);
        one_model(m, 100 + i, cores, sizeof cores / sizeof *cores);
        pst_model_free(m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_models), cmocka_unit_test(test_shapes)};
    const char *models = getenv("PENSTOCK_MODELS");
    most_models = models ? strtoull(models, NULL, 10) : most_models;
    alarm(280); /* a hang is a failure */
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Streams: every way of going on from a step gives the bits of the uninterrupted run, in every format, wherever in the
 * settle it is done: settle by units, save, restore, clone, reset, another level, other streams in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/expect.h"
#include "../support/model.h"
#include "../support/sample.h"

enum { STEPS = 12 };

/* The last has blocks of several settle units in every encoding: 530 inputs are more than 32 KiB hold of 16 units. */
static const struct {
    uint32_t inputs;
    size_t count;
    model_part parts[6];
} cases[] = {
    {3, 2, {MODEL_LSTM(16), MODEL_LINEAR(5)}},
    {64, 3, {MODEL_LSTM(100), MODEL_LSTM(36), MODEL_LINEAR(32)}},
    {7,
     6,
     {MODEL_LSTM_STATE(13), MODEL_ACTIVATION("gelu"), MODEL_LINEAR(21), MODEL_LSTM_STATE(5), MODEL_LINEAR(3),
      MODEL_SOFTMAX}},
    {1, 1, {MODEL_LSTM_STATE(1)}},
    {9, 2, {MODEL_LINEAR(17), MODEL_ACTIVATION("tanh")}},
    {150, 3, {MODEL_LSTM(130), MODEL_LSTM_STATE(147), MODEL_LINEAR(4)}},
    {20, 2, {MODEL_LSTM_STATE(530), MODEL_LINEAR(2)}},
};
enum { CASES = sizeof cases / sizeof *cases };

/* A program, and what an uninterrupted run gives: y and the saved state after each step. */
typedef struct {
    pst_program *program;
    pst_engine *engine;
    uint32_t inputs, outputs;
    size_t state_bytes;
    uint64_t units; /* of a whole settle */
    float *x, *y;
    unsigned char *state; /* [STEPS + 1], the first before any step */
} known;

static void known_run(known *k, pst_stream *s) {
    OK(pst_stream_save(s, k->state, k->state_bytes));
    for (size_t t = 0; t < STEPS; t++) {
        OK(pst_step(s, k->x + t * k->inputs, k->inputs, k->y + t * k->outputs, k->outputs));
        OK(pst_stream_save(s, k->state + (t + 1) * k->state_bytes, k->state_bytes));
    }
}

static known known_make(const pst_model *m, const model_held *held, uint64_t seed) {
    known k = {0};
    pst_info info;
    pst_engine_info engine;
    PST_INIT(info);
    PST_INIT(engine);
    k.program = model_program_held(m, held);
    k.engine = model_engine(k.program, NULL);
    OK(pst_program_get_info(k.program, &info));
    OK(pst_engine_get_info(k.engine, &engine));
    k.inputs = info.inputs;
    k.outputs = info.outputs;
    k.units = engine.settle_units;
    k.x = model_normals(seed, (size_t)STEPS * k.inputs);
    k.y = calloc((size_t)STEPS * k.outputs, sizeof *k.y);
    pst_stream *s = model_stream(k.engine);
    k.state_bytes = pst_stream_state_size(s);
    assert_int_equal(k.state_bytes, info.state_bytes);
    k.state = calloc(STEPS + 1, k.state_bytes);
    known_run(&k, s);
    pst_stream_close(s);
    return k;
}

static void known_free(known *k) {
    free(k->state);
    free(k->y);
    free(k->x);
    pst_engine_close(k->engine);
    pst_program_free(k->program);
}

static void each_case(void (*test)(const known *k, uint64_t seed)) {
    for (size_t c = 0; c < CASES; c++) {
        pst_model *m = model_make(cases[c].inputs, cases[c].parts, cases[c].count, c + 1, 1.5);
        for (int f = 0; f < MODEL_EVERY; f++) {
            if (((size_t)f + c) % sample_of(3))
                continue;
            known k = known_make(m, &model_every[f], 100 * c + (uint64_t)f);
            test(&k, 1000 * c + (uint64_t)f);
            known_free(&k);
        }
        pst_model_free(m);
    }
}

/* Step t on a stream that has done t steps; y must be the known one. */
static void step_known(const known *k, pst_stream *s, size_t t) {
    float y[1024];
    assert_true(k->outputs <= sizeof y / sizeof *y);
    OK(pst_step(s, k->x + t * k->inputs, k->inputs, y, k->outputs));
    assert_memory_equal(y, k->y + t * k->outputs, k->outputs * sizeof *y);
}

/* The stream has done t steps: its saved state is the known one. */
static void state_known(const known *k, const pst_stream *s, size_t t) {
    unsigned char *state = malloc(k->state_bytes + 1);
    state[k->state_bytes] = 0x5a;
    OK(pst_stream_save(s, state, k->state_bytes));
    assert_memory_equal(state, k->state + t * k->state_bytes, k->state_bytes);
    assert_int_equal(state[k->state_bytes], 0x5a);
    free(state);
}

static void finish_known(const known *k, pst_stream *s, size_t t) {
    for (; t < STEPS; t++)
        step_known(k, s, t);
    state_known(k, s, STEPS);
}

static uint32_t settle(pst_stream *s, uint32_t units) {
    uint32_t left = 12345;
    OK(pst_settle(s, units, &left));
    return left;
}

/* ---- settle -------------------------------------------------------------------------------------------------------
 */

/* Counts down by what was asked for, to 0; then there is nothing to do, as after opening and resetting. */
static void settle_counts(const known *k, uint64_t seed) {
    model_noise noise = {seed};
    pst_stream *s = model_stream(k->engine);
    assert_int_equal(settle(s, 1), 0);
    for (size_t t = 0; t < STEPS; t++) {
        step_known(k, s, t);
        uint64_t left = k->units;
        while (t % 4 != 3 && left) {
            uint32_t units = t % 4 == 0 ? 1 : t % 4 == 1 ? 2 : 1 + model_choose(&noise, (uint32_t)k->units + 1);
            left -= units < left ? units : left;
            assert_int_equal(settle(s, units), left);
            state_known(k, s, t + 1);
            if (model_has_rest(k->program)) { /* there that finishes the settle */
                assert_int_equal(settle(s, 1), 0);
                left = 0;
            }
        }
        if (t == 7)
            assert_int_equal(settle(s, 0), 0);
        OK(pst_settle(s, 0, NULL));
    }
    step_known(k, (OK(pst_stream_reset(s)), s), 0);
    OK(pst_stream_reset(s));
    assert_int_equal(settle(s, 1), 0);
    pst_stream_close(s);
}

static void test_settle_counts(void **unused) {
    (void)unused;
    each_case(settle_counts);
}

/* ---- anything at any point ----------------------------------------------------------------------------------------
 */

static void wander(const known *k, pst_stream *s, uint32_t steps, model_noise *noise) {
    float y[1024];
    for (uint32_t i = 0; i < steps; i++)
        OK(pst_step(s, k->x + model_choose(noise, STEPS) * (size_t)k->inputs, k->inputs, y, k->outputs));
    OK(pst_settle(s, 1 + model_choose(noise, 3), NULL));
}

/* After `done` units of the settle of step t - 1: save, clone, restore, warm, reset, then on as if nothing was. */
static void disturb(const known *k, pst_stream **s, size_t t, model_noise *noise) {
    unsigned char *state = malloc(k->state_bytes);
    pst_stream *other;
    OK(pst_stream_save(*s, state, k->state_bytes));
    assert_memory_equal(state, k->state + t * k->state_bytes, k->state_bytes);
    switch (model_choose(noise, 6)) {
    case 0: /* somewhere else and back */
        wander(k, *s, 1 + model_choose(noise, 3), noise);
        OK(pst_stream_restore(*s, state, k->state_bytes));
        assert_int_equal(settle(*s, 1), 0);
        break;
    case 1: /* the original goes astray, the clone goes on */
        OK(pst_stream_clone(*s, &other));
        wander(k, *s, 2, noise);
        pst_stream_close(*s);
        *s = other;
        break;
    case 2: /* the clone goes astray */
        OK(pst_stream_clone(*s, &other));
        wander(k, other, 2, noise);
        pst_stream_close(other);
        break;
    case 3: /* a new stream of the same engine takes over */
        other = model_stream(k->engine);
        wander(k, other, 1, noise);
        OK(pst_stream_restore(other, state, k->state_bytes));
        pst_stream_close(*s);
        *s = other;
        break;
    case 4:
        OK(pst_warm(*s));
        break;
    case 5: /* from the beginning, with pst_run */
        OK(pst_stream_reset(*s));
        if (t) {
            float *y = calloc(t, k->outputs * sizeof *y);
            OK(pst_run(*s, k->x, t, y));
            assert_memory_equal(y, k->y, t * k->outputs * sizeof *y);
            free(y);
        }
        break;
    }
    free(state);
}

static void any_point(const known *k, uint64_t seed) {
    model_noise noise = {seed};
    for (int round = 0; round < 6; round++) {
        pst_stream *s = model_stream(k->engine);
        for (size_t t = 0; t < STEPS; t++) {
            step_known(k, s, t);
            if (model_choose(&noise, 4))
                OK(pst_settle(s, 1 + model_choose(&noise, (uint32_t)k->units + 1), NULL));
            disturb(k, &s, t + 1, &noise);
        }
        state_known(k, s, STEPS);
        pst_stream_close(s);
    }
}

static void test_any_point(void **unused) {
    (void)unused;
    each_case(any_point);
}

/* Not at random: after each number of settle units a clone, a saved state, and the stream itself go on. */
static void every_point(const known *k, uint64_t seed) {
    (void)seed;
    uint64_t stride = 1 + k->units / 40;
    for (uint64_t units = 0; units <= k->units; units += stride) {
        pst_stream *s = model_stream(k->engine), *clone, *restored = model_stream(k->engine);
        step_known(k, s, 0);
        step_known(k, s, 1);
        if (units)
            assert_int_equal(settle(s, (uint32_t)units), k->units - units);
        OK(pst_stream_clone(s, &clone));
        assert_int_equal(k->units - units ? settle(clone, 1) : 0, k->units - units ? k->units - units - 1 : 0);
        state_known(k, s, 2);
        OK(pst_stream_restore(restored, k->state + 2 * k->state_bytes, k->state_bytes));
        pst_stream *of[] = {clone, s, restored};
        for (int i = 0; i < 3; i++) {
            for (size_t t = 2; t < 5; t++)
                step_known(k, of[i], t);
            pst_stream_close(of[i]);
        }
    }
}

static void test_every_point(void **unused) {
    (void)unused;
    each_case(every_point);
}

/* Whether some W_ih leaves a rest: then the last input belongs to the state, too. */
static int leaves_rest(const pst_program *p) {
    pst_matrix_info info;
    pst_info all;
    PST_INIT(info);
    PST_INIT(all);
    OK(pst_program_get_info(p, &all));
    for (uint32_t i = 0; i < all.layers; i++)
        for (uint32_t k = 0; pst_program_get_matrix(p, i, k, &info) == PST_OK; k++)
            if (strcmp(info.name, "W_ih rest") == 0)
                return 1;
    return 0;
}

/* A stream that is opened with another's h and c goes on with the same bits; n is checked, and a failing call writes
 * nothing. */
static void state_as_floats(const known *k, uint64_t seed) {
    if (leaves_rest(k->program))
        return;
    (void)seed;
    enum { MOST = 1024 };
    size_t n = 0;
    pst_stream *s = model_stream(k->engine), *other;
    float h[MOST], c[MOST], none = 0.25f;
    if (pst_stream_get_state(s, h, c, MOST) == PST_E_SHAPE)
        n = (size_t)expect_error().expected; /* the units of its lstm layers */
    assert_true(n < MOST);
    FAILS(PST_E_SHAPE, pst_stream_get_state(s, &none, &none, n + 1));
    if (n) {
        FAILS(PST_E_ARGUMENT, pst_stream_get_state(s, NULL, &none, n));
        FAILS(PST_E_ARGUMENT, pst_stream_get_state(s, &none, NULL, n));
    }
    assert_true(none == 0.25f);
    for (size_t t = 0; t < STEPS; t++) {
        pst_stream_options o;
        PST_INIT(o);
        step_known(k, s, t);
        OK(pst_stream_get_state(s, h, c, n));
        o.h0 = h;
        o.c0 = c;
        OK(pst_stream_open(k->engine, &o, &other));
        finish_known(k, other, t + 1);
        pst_stream_close(other);
    }
    pst_stream_close(s);
}

static void test_state_as_floats(void **unused) {
    (void)unused;
    each_case(state_as_floats);
}

/* ---- several streams, run, levels ----------------------------------------------------------------------------------
 */

static void interleaved(const known *k, uint64_t seed) {
    enum { STREAMS = 4 };
    model_noise noise = {seed};
    pst_stream *s[STREAMS];
    size_t done[STREAMS] = {0};
    for (int i = 0; i < STREAMS; i++)
        s[i] = model_stream(k->engine);
    for (int finished = 0; finished < STREAMS;) {
        uint32_t i = model_choose(&noise, STREAMS);
        if (model_choose(&noise, 2)) {
            OK(pst_settle(s[i], 1 + model_choose(&noise, 4), NULL));
        } else if (done[i] < STEPS) {
            step_known(k, s[i], done[i]++);
            finished += done[i] == STEPS;
        }
    }
    for (int i = 0; i < STREAMS; i++) {
        state_known(k, s[i], STEPS);
        pst_stream_close(s[i]);
    }
}

static void test_interleaved(void **unused) {
    (void)unused;
    each_case(interleaved);
}

static void run_is_steps(const known *k, uint64_t seed) {
    model_noise noise = {seed};
    size_t bytes = (size_t)STEPS * k->outputs * sizeof(float);
    float *y = malloc(bytes);
    for (int round = 0; round < 4; round++) {
        pst_stream *s = model_stream(k->engine);
        for (size_t t = 0; t < STEPS;) {
            size_t steps = model_choose(&noise, (uint32_t)(STEPS - t) + 1);
            steps = round ? steps : STEPS;
            OK(pst_run(s, k->x + t * k->inputs, steps, y + t * k->outputs));
            assert_int_equal(settle(s, 1), 0);
            t += steps;
            state_known(k, s, t);
            if (t < STEPS && model_choose(&noise, 2)) {
                step_known(k, s, t);
                memcpy(y + t * k->outputs, k->y + t * k->outputs, k->outputs * sizeof *y);
                t++;
            }
        }
        assert_memory_equal(y, k->y, bytes);
        pst_stream_close(s);
    }
    free(y);
}

static void test_run_is_steps(void **unused) {
    (void)unused;
    each_case(run_is_steps);
}

/* A state goes from engine to engine, each of another level, in the middle of everything. */
static void portable(const known *k, uint64_t seed) {
    (void)seed;
    const char *const *levels;
    size_t count;
    pst_levels(&levels, &count);
    for (size_t i = 0; i < count; i++) {
        pst_engine *e = model_engine(k->program, levels[i]);
        pst_stream *s = model_stream(e);
        state_known(k, s, 0);
        OK(pst_stream_restore(s, k->state + 3 * k->state_bytes, k->state_bytes));
        step_known(k, s, 3);
        OK(pst_settle(s, 1, NULL));
        state_known(k, s, 4);
        OK(pst_stream_restore(s, k->state + 6 * k->state_bytes, k->state_bytes));
        finish_known(k, s, 6);
        pst_stream_close(s);
        pst_engine_close(e);
    }
}

static void test_portable(void **unused) {
    (void)unused;
    each_case(portable);
}

/* ---- initial state ------------------------------------------------------------------------------------------------
 */

/* The model's h0 and c0, given to a stream of the same model without them; reset comes back to them. */
static void test_initial_state(void **unused) {
    (void)unused;
    static const model_part with[] = {MODEL_LSTM_STATE(21), MODEL_LINEAR(6), MODEL_LSTM_STATE(8)};
    float h0[29], c0[29], x[4 * 5], y[2][4 * 8];
    model_noise noise = {3};
    for (int i = 0; i < 29; i++) {
        h0[i] = model_uniform(&noise, 1);
        c0[i] = model_uniform(&noise, 3);
    }
    for (int i = 0; i < 20; i++)
        x[i] = model_normal(&noise);
    pst_model *m = model_make(5, with, 3, 9, 1);
    for (int f = 0; f < MODEL_EVERY; f++) {
        pst_program *p = model_program_held(m, &model_every[f]);
        pst_engine *e = model_engine(p, NULL);
        pst_stream *given, *own = model_stream(e);
        pst_stream_options o;
        PST_INIT(o);
        o.h0 = h0;
        o.c0 = c0;
        OK(pst_stream_open(e, &o, &given));
        OK(pst_run(given, x, 4, y[0]));
        OK(pst_run(own, x, 4, y[1]));
        assert_memory_not_equal(y[0], y[1], sizeof y[0]);
        OK(pst_settle(given, 1, NULL));
        OK(pst_stream_reset(given)); /* to what was given, not to the model's */
        memset(h0, 0xff, sizeof h0); /* which was copied */
        OK(pst_run(given, x, 4, y[1]));
        assert_memory_equal(y[0], y[1], sizeof y[0]);
        pst_stream *clone;
        OK(pst_stream_clone(given, &clone));
        OK(pst_stream_reset(clone));
        OK(pst_run(clone, x, 4, y[1]));
        assert_memory_equal(y[0], y[1], sizeof y[0]);
        for (int i = 0; i < 29; i++)
            h0[i] = model_uniform(&noise, 1);
        pst_stream_close(clone);
        pst_stream_close(given);
        pst_stream_close(own);
        pst_engine_close(e);
        pst_program_free(p);
    }
    pst_model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settle_counts), cmocka_unit_test(test_any_point),
        cmocka_unit_test(test_every_point),   cmocka_unit_test(test_interleaved),
        cmocka_unit_test(test_run_is_steps),  cmocka_unit_test(test_portable),
        cmocka_unit_test(test_initial_state), cmocka_unit_test(test_state_as_floats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Everything at once, for a quarter of a minute: streams opened, stepped, settled, saved, restored, cloned, reset and
 * closed in an order drawn from a seed, on engines of 2 and 3 cores beside one core; random pauses; a neighbour that
 * wants the CPUs; cores that stand still for a while, some of them for longer than the deadline. Every answer and every
 * state must have one core's bits, and nothing may hang.
 *
 * PENSTOCK_SOAK_SECONDS and PENSTOCK_SOAK_STEPS: how long at most, how many steps at most. PENSTOCK_SEED: the seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>
#include <unistd.h>

#include "rests.h"
#include "soak.h"

enum { INPUTS = 20, OUTPUTS = 5, STREAMS = 4, STATE = 8192, ENGINES = 3, INPUT_ROWS = 256 };

static uint64_t seed;
static double seconds = 15;
static uint64_t most_steps = UINT64_MAX;

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- the neighbours -----------------------------------------------------------------------------------------------
 */

typedef struct {
    pst_engine *engine;
    _Atomic int stop;
    uint64_t seed, holds;
} neighbour;

/* Holds a core now and then: mostly for some microseconds, seldom for longer than the deadline. */
static void *holder(void *argument) {
    neighbour *n = argument;
    model_noise noise = {n->seed};
    while (!atomic_load(&n->stop)) {
        uint32_t core = 1 + model_choose(&noise, n->engine->cores - 1);
        usleep(500 + model_choose(&noise, 3000));
        hold(n->engine, core, 1);
        n->holds++;
        if (model_choose(&noise, 4) == 0)
            usleep(model_choose(&noise, 12000));
        else
            for (uint32_t i = model_choose(&noise, 2000); i; i--)
                __asm__ volatile("" : : : "memory");
        hold(n->engine, core, 0);
    }
    return NULL;
}

/* Wants a CPU for some milliseconds at a time. */
static void *eater(void *argument) {
    neighbour *n = argument;
    model_noise noise = {n->seed};
    volatile uint64_t eaten = 0;
    while (!atomic_load(&n->stop)) {
        double until = now_s() + 1e-3 * model_choose(&noise, 8);
        while (now_s() < until)
            eaten++;
        usleep(model_choose(&noise, 20000));
    }
    return NULL;
}

/* ---- the drive ----------------------------------------------------------------------------------------------------
 */

/* The same stream on both engines. */
typedef struct {
    pst_stream *one, *many;
} both;

typedef struct {
    pst_engine *one, *many;
    both stream[STREAMS];
    model_noise noise;
    const float *x;
    unsigned char state[2][STATE];
    size_t state_bytes;
    int saved;
    uint64_t steps, late;
} drive;

/* On many cores a call may come too early after a late step: again, until all have caught up. */
#define PATIENTLY(d, call)                                                                                             \
    do {                                                                                                               \
        pst_status status_;                                                                                            \
        while ((status_ = (call)) == PST_E_LATE) {                                                                     \
            (d)->late++;                                                                                               \
            sched_yield();                                                                                             \
        }                                                                                                              \
        OK(status_);                                                                                                   \
    } while (0)

static void one_step(drive *d, both *s) {
    float expect[OUTPUTS], y[OUTPUTS];
    const float *x = d->x + (size_t)model_choose(&d->noise, INPUT_ROWS) * INPUTS;
    OK(pst_step(s->one, x, INPUTS, expect, OUTPUTS));
    PATIENTLY(d, pst_step(s->many, x, INPUTS, y, OUTPUTS));
    if (memcmp(expect, y, sizeof y) != 0)
        fail_msg("seed %llu: step %llu differs", (unsigned long long)seed, (unsigned long long)d->steps);
    d->steps++;
}

static void settle_some(drive *d, both *s) {
    uint32_t units = model_choose(&d->noise, 4);
    OK(pst_settle(s->one, units, NULL));
    PATIENTLY(d, pst_settle(s->many, units, NULL));
}

static void save_and_compare(drive *d, both *s) {
    OK(pst_stream_save(s->one, d->state[0], STATE));
    PATIENTLY(d, pst_stream_save(s->many, d->state[1], STATE));
    if (memcmp(d->state[0], d->state[1], d->state_bytes) != 0)
        fail_msg("seed %llu: the state after step %llu differs", (unsigned long long)seed,
                 (unsigned long long)d->steps);
    d->saved = 1;
}

static void something_else(drive *d, both *s) {
    both copy;
    switch (model_choose(&d->noise, 6)) {
    case 0:
        save_and_compare(d, s);
        break;
    case 1:
        if (d->saved) {
            OK(pst_stream_restore(s->one, d->state[0], d->state_bytes));
            PATIENTLY(d, pst_stream_restore(s->many, d->state[1], d->state_bytes));
        }
        break;
    case 2:
        OK(pst_stream_reset(s->one));
        PATIENTLY(d, pst_stream_reset(s->many));
        break;
    case 3:
        OK(pst_stream_clone(s->one, &copy.one));
        PATIENTLY(d, pst_stream_clone(s->many, &copy.many));
        pst_stream_close(s->one);
        pst_stream_close(s->many);
        *s = copy;
        break;
    case 4:
        PATIENTLY(d, pst_warm(s->many));
        break;
    default:
        usleep(model_choose(&d->noise, 300));
    }
}

static void run(drive *d, double until) {
    while (d->steps < most_steps && (d->steps % 64 || now_s() < until)) {
        both *s = &d->stream[model_choose(&d->noise, STREAMS)];
        one_step(d, s);
        switch (model_choose(&d->noise, 256)) {
        case 0:
            something_else(d, s);
            break;
        default:
            if (model_choose(&d->noise, 3))
                settle_some(d, &d->stream[model_choose(&d->noise, STREAMS)]);
        }
    }
}

static void soak(const char *format, uint32_t cores, int caller, uint64_t steps, double until) {
    static const model_part parts[] = {MODEL_LSTM_STATE(36), MODEL_LSTM(28), MODEL_LINEAR(OUTPUTS)};
    pst_model *m = model_make(INPUTS, parts, 3, seed, 1.5);
    pst_program *p = model_program(m, format);
    rests_set(p, 0.5f, 1); /* layer 0 mends c, of layer 1 only the bracket has a share of the rest */
    float *x = model_normals(seed, INPUT_ROWS * INPUTS);
    drive d = {.one = engine_of(p, 1, PST_CALLER_CORE, 0), .many = engine_of(p, cores, caller, 3000), .x = x};
    uint64_t most = most_steps;
    d.noise.state = seed + cores;
    for (int k = 0; k < STREAMS; k++)
        d.stream[k] = (both){model_stream(d.one), model_stream(d.many)};
    d.state_bytes = pst_stream_state_size(d.stream[0].one);
    if (caller == PST_CALLER_CORE) /* else it may share a CPU with a core that polls for whole time slices */
        OK(pst_engine_bind_caller(d.many));
    neighbour n[2] = {{d.many, 0, seed + 1, 0}, {d.many, 0, seed + 2, 0}};
    pthread_t thread[2];
    assert_int_equal(pthread_create(&thread[0], NULL, holder, &n[0]), 0);
    assert_int_equal(pthread_create(&thread[1], NULL, eater, &n[1]), 0);
    most_steps = steps;
    run(&d, until);
    most_steps = most;
    for (int k = 0; k < 2; k++) {
        atomic_store(&n[k].stop, 1);
        pthread_join(thread[k], NULL);
    }
    print_message("%s on %u cores, caller %s: %llu steps, %llu holds, %llu refusals for lateness\n", format, cores,
                  caller ? "apart" : "a core", (unsigned long long)d.steps, (unsigned long long)n[0].holds,
                  (unsigned long long)d.late);
    if (caller == PST_CALLER_CORE)
        PATIENTLY(&d, pst_engine_unbind_caller(d.many));
    for (int k = 0; k < STREAMS; k++) {
        pst_stream_close(d.stream[k].one);
        pst_stream_close(d.stream[k].many);
    }
    pst_engine_close(d.many);
    pst_engine_close(d.one);
    pst_program_free(p);
    pst_model_free(m);
    free(x);
}

static void test_soak(void **unused) {
    (void)unused;
    static const struct {
        uint32_t cores;
        int caller;
    } engines[ENGINES] = {{2, PST_CALLER_CORE}, {3, PST_CALLER_CORE}, {2, PST_CALLER_APART}};
    double begin = now_s();
    static const char *const formats[] = {"f32", "bf16", "w8a16", "w8a8", "w4r"};
    enum { FORMATS = sizeof formats / sizeof *formats };
    _Static_assert(FORMATS % ENGINES, "every format meets every engine");
    for (int i = 0; i < FORMATS * ENGINES; i++)
        soak(formats[i % FORMATS], engines[i % ENGINES].cores, engines[i % ENGINES].caller,
             most_steps == UINT64_MAX ? UINT64_MAX : most_steps / (FORMATS * ENGINES),
             begin + seconds * (i + 1) / (FORMATS * ENGINES));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_soak)};
    const char *given = getenv("PENSTOCK_SEED"), *length = getenv("PENSTOCK_SOAK_SECONDS"),
               *steps = getenv("PENSTOCK_SOAK_STEPS");
    seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    seconds = length ? atof(length) : seconds;
    most_steps = steps ? strtoull(steps, NULL, 10) : most_steps;
    print_message("seed %llu\n", (unsigned long long)seed);
    alarm((unsigned)(4 * seconds + 60)); /* a hang is a failure */
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A core that does not answer in time: the step fails, the stream stands as before it, and the engine refuses until the
 * core has caught up; then everything goes on with the same bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "rests.h"
#include "soak.h"

enum { WIDTH = 24, STEPS = 40, STATE = 8192 };

static const model_part parts[] = {MODEL_LSTM_STATE(40), MODEL_LSTM(23), MODEL_LINEAR(WIDTH)};

/* On a busy machine a step may really be late. */
static void step(pst_stream *s, const float *x, int t, float *y) {
    pst_status status;
    while ((status = pst_step(s, x + t * WIDTH, WIDTH, y, WIDTH)) == PST_E_LATE)
        sched_yield();
    OK(status);
}

/* Every call on the engine's streams is refused, and touches nothing. */
static void all_refused(pst_engine *e, pst_stream *s) {
    float x[WIDTH] = {0}, y[WIDTH] = {7};
    unsigned char state[STATE];
    pst_stream *out = NULL;
    uint32_t left = 99;
    FAILS(PST_E_LATE, pst_step(s, x, WIDTH, y, WIDTH));
    SAYS("caught up");
    FAILS(PST_E_LATE, pst_run(s, x, 1, y));
    FAILS(PST_E_LATE, pst_settle(s, 0, &left));
    FAILS(PST_E_LATE, pst_warm(s));
    FAILS(PST_E_LATE, pst_stream_reset(s));
    FAILS(PST_E_LATE, pst_stream_save(s, state, sizeof state));
    FAILS(PST_E_LATE, pst_stream_clone(s, &out));
    FAILS(PST_E_LATE, pst_stream_open(e, NULL, &out));
    assert_true(left == 99 && !out && y[0] == 7);
}

/* Calls until the engine answers again. */
static void until_caught_up(pst_stream *s) {
    pst_status status;
    while ((status = pst_warm(s)) == PST_E_LATE)
        sched_yield();
    OK(status);
}

static void late_at(const model_held *format, int rests, uint32_t cores, int caller, uint32_t held, uint32_t settled) {
    pst_model *m = model_make(WIDTH, parts, 3, 4, 1.5);
    pst_program *p = rests ? rests_program(m, format, 0.5f, 3) : model_program_held(m, format);
    float *x = model_normals(3, STEPS * WIDTH), expect[WIDTH], y[WIDTH], untouched[WIDTH];
    pst_engine *one = engine_of(p, 1, PST_CALLER_CORE, 0), *e = engine_of(p, cores, caller, 2000);
    pst_stream *right = model_stream(one), *s = model_stream(e), *other = model_stream(e),
               *right_other = model_stream(one);
    memset(untouched, 0x33, sizeof untouched);
    for (int t = 0; t < STEPS; t++) {
        pst_status status = PST_E_LATE;
        step(right, x, t, expect);
        memcpy(y, untouched, sizeof y);
        if (t % 16 == 5) {
            hold_still(e, held);
            FAILS(PST_E_LATE, pst_step(s, x + t * WIDTH, WIDTH, y, WIDTH));
            SAYS("within 2000 us");
            assert_memory_equal(y, untouched, sizeof y);
            all_refused(e, s);
            all_refused(e, other);
            hold(e, held, 0);
            until_caught_up(s);
            float wrong[WIDTH], same[WIDTH]; /* something else first */
            step(other, x, t, wrong);
            step(right_other, x, t, same);
            assert_memory_equal(wrong, same, sizeof same);
        } else if (t % 16 == 13) { /* it stands still wherever it then is, and may be through */
            hold(e, held, 1);
            status = pst_step(s, x + t * WIDTH, WIDTH, y, WIDTH);
            assert_true(status == PST_OK || status == PST_E_LATE);
            assert_true(!status || memcmp(y, untouched, sizeof y) == 0);
            hold(e, held, 0);
        }
        if (status)
            step(s, x, t, y);
        if (memcmp(y, expect, sizeof y) != 0)
            fail_msg("%s on %u cores, caller %d, core %u held: step %d differs", format->format, cores, caller, held,
                     t);
        if (settled) {
            OK(pst_settle(s, 0, NULL));
            OK(pst_settle(right, 0, NULL));
        }
    }
    pst_stream_close(s);
    pst_stream_close(other);
    pst_stream_close(right);
    pst_stream_close(right_other);
    pst_engine_close(e);
    pst_engine_close(one);
    pst_program_free(p);
    pst_model_free(m);
    free(x);
}

static void all_late_at(const model_held *format, int rests, uint32_t f) {
    late_at(format, rests, 2, PST_CALLER_CORE, 1, f % 2);
    late_at(format, rests, 3, PST_CALLER_CORE, 1 + f % 2, (f + 1) % 2);
    late_at(format, rests, 2, PST_CALLER_APART, f % 2, f % 2);
}

static void test_late(void **unused) {
    (void)unused;
    for (uint32_t f = 0; f < MODEL_FORMATS; f++)
        all_late_at(&model_every[f], 0, f);
}

/* With rests that settle adds and mends c by: a core that has gone on, and mended, goes back to what it had mended
 * before; one that has not goes on from there. */
static void test_late_with_rests(void **unused) {
    (void)unused;
    for (uint32_t f = 0; f < RESTS; f++)
        all_late_at(&rests_every[f], 1, f);
}

/* A core that falls silent again before it has gone back: late again, not waited for. */
static void test_late_twice(void **unused) {
    (void)unused;
    pst_model *m = model_make(WIDTH, parts, 3, 4, 1.5);
    pst_program *p = model_program(m, "w8a16");
    float *x = model_normals(3, STEPS * WIDTH), expect[WIDTH], y[WIDTH];
    pst_engine *one = engine_of(p, 1, PST_CALLER_CORE, 0), *e = engine_of(p, 2, PST_CALLER_CORE, 2000);
    pst_stream *right = model_stream(one), *s = model_stream(e);
    for (int t = 0; t < STEPS; t++) {
        step(right, x, t, expect);
        hold_still(e, 1);
        FAILS(PST_E_LATE, pst_step(s, x + t * WIDTH, WIDTH, y, WIDTH));
        hold(e, 1, 0);
        while (atomic_load(&e->core[1]->done) != e->tag)
            sched_yield();
        hold_still(e, 1);
        FAILS(PST_E_LATE, pst_step(s, x + t * WIDTH, WIDTH, y, WIDTH));
        FAILS(PST_E_LATE, pst_warm(s));
        hold(e, 1, 0);
        step(s, x, t, y);
        assert_memory_equal(y, expect, sizeof y);
    }
    pst_stream_close(s);
    pst_stream_close(right);
    pst_engine_close(e);
    pst_engine_close(one);
    pst_program_free(p);
    pst_model_free(m);
    free(x);
}

/* A core without a slice owes no line: what is late is its word that it has copied the steps before. */
static void test_late_with_nothing_to_give(void **unused) {
    (void)unused;
    static const model_part narrow[] = {MODEL_LSTM(8)};
    pst_model *m = model_make(WIDTH, narrow, 1, 4, 1.5);
    pst_program *p = model_program(m, "bf16");
    float *x = model_normals(3, STEPS * WIDTH), expect[WIDTH], y[WIDTH];
    pst_engine *one = engine_of(p, 1, PST_CALLER_CORE, 0), *e = engine_of(p, 4, PST_CALLER_CORE, 2000);
    pst_stream *right = model_stream(one), *s = model_stream(e);
    assert_int_equal(psti_slice(e, 1, 2)[1], 0);
    int late = 0;
    for (int t = 0; t < STEPS; t++) {
        int held = t % 8 < 4;
        hold(e, 2, (uint32_t)held);
        OK(pst_step(right, x + t * WIDTH, WIDTH, expect, 8));
        pst_status status;
        while ((status = pst_step(s, x + t * WIDTH, WIDTH, y, 8)) == PST_E_LATE) {
            if (held) {
                uint32_t left = 99;
                FAILS(PST_E_LATE, pst_warm(s));
                FAILS(PST_E_LATE, pst_settle(s, 0, &left));
                FAILS(PST_E_LATE, pst_stream_reset(s));
                assert_int_equal(left, 99);
                late++;
            }
            hold(e, 2, 0);
            held = 0;
            sched_yield();
        }
        OK(status);
        assert_memory_equal(y, expect, 8 * sizeof *y);
    }
    assert_true(late > 0);
    hold(e, 2, 0);
    until_caught_up(s);
    pst_stream_close(s);
    pst_stream_close(right);
    pst_engine_close(e);
    pst_engine_close(one);
    pst_program_free(p);
    pst_model_free(m);
    free(x);
}

static void *let_go(void *engine) {
    usleep(20000);
    hold(engine, 1, 0);
    return NULL;
}

/* A late engine's streams and itself can be closed: that waits for the core. */
static void test_close_while_late(void **unused) {
    (void)unused;
    pst_model *m = model_make(WIDTH, parts, 3, 4, 1.5);
    pst_program *p = model_program(m, "w8a8");
    float x[WIDTH] = {1}, y[WIDTH];
    for (int k = 0; k < 4; k++) {
        pthread_t thread;
        pst_engine *e = engine_of(p, 2, PST_CALLER_CORE, 1000);
        pst_stream *s = model_stream(e), *other = model_stream(e);
        hold_still(e, 1);
        FAILS(PST_E_LATE, pst_step(s, x, WIDTH, y, WIDTH));
        assert_int_equal(pthread_create(&thread, NULL, let_go, e), 0);
        if (k & 1)
            pst_stream_close(s);
        if (k & 2)
            pst_stream_close(other);
        pst_engine_close(e);
        pthread_join(thread, NULL);
        if (!(k & 1))
            pst_stream_close(s);
        if (!(k & 2)) {
            FAILS(PST_E_CLOSED, pst_step(other, x, WIDTH, y, WIDTH));
            pst_stream_close(other);
        }
    }
    pst_program_free(p);
    pst_model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_late),
        cmocka_unit_test(test_late_with_rests),
        cmocka_unit_test(test_late_twice),
        cmocka_unit_test(test_late_with_nothing_to_give),
        cmocka_unit_test(test_close_while_late),
    };
    alarm(250); /* a hang is a failure */
    return cmocka_run_group_tests(tests, NULL, NULL);
}

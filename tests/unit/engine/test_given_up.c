/* A core gives up the step that the caller has given up, and no other: one that the caller has answered may still be
 * copied on another core when the next is given up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "engine/engine.h"
#include "rests.h"
#include "stream/stream.h"

static const model_part parts[] = {MODEL_LSTM(20), MODEL_LSTM(12), MODEL_LINEAR(3)};
enum { LATER = 1000 }; /* a tag that no step here has */

static pst_engine *engine_on(const pst_program *p, uint32_t cores) {
    pst_engine_options o;
    pst_engine *e;
    PST_INIT(o);
    o.cores = cores;
    o.idle = PST_IDLE_YIELD;
    o.flags = PST_ENGINE_OVERSUBSCRIBE | PST_ENGINE_NO_HUGE_PAGES;
    OK(pst_engine_open(p, &o, &e));
    return e;
}

static void test_a_wait_ends_for_its_own_step(void **unused) {
    (void)unused;
    pst_model *m = model_make(4, parts, 3, 1, 1);
    pst_program *p = model_program(m, "f32");
    pst_engine *e = engine_on(p, 2);
    atomic_store(&e->given_up, LATER);
    for (uint32_t k = 0; k < 2; k++) {
        assert_false(psti_wait_more(e->core[k], &(psti_wait){.tag = LATER - 1}));
        assert_true(psti_wait_more(e->core[k], &(psti_wait){.tag = LATER}));
        assert_false(psti_wait_more(e->core[k], &(psti_wait){.tag = LATER + 1}));
        atomic_store(&e->given_up, 0); /* nor does a wait of no step end because none was given up */
        assert_false(psti_wait_more(e->core[k], &(psti_wait){.tag = 0}));
        atomic_store(&e->given_up, LATER);
    }
    pst_engine_close(e);
    pst_program_free(p);
    pst_model_free(m);
}

/* Every core takes up and finishes steps although a later one was given up. */
static void test_steps_before_are_whole(void **unused) {
    (void)unused;
    pst_model *m = model_make(4, parts, 3, 2, 1);
    float y[2][4][3];
    for (int rests = 0; rests < 2; rests++) {
        pst_program *p = rests ? rests_program(m, &rests_every[0], 0.5f, 3) : model_program(m, "f32");
        for (uint32_t cores = 1; cores <= 2; cores++) {
            pst_engine *e = engine_on(p, cores);
            pst_stream *s = model_stream(e);
            atomic_store(&e->given_up, LATER);
            for (int t = 0; t < 4; t++)
                OK(pst_step(s, (float[4]){1, -1, 0.5f, (float)t}, 4, y[cores - 1][t], 3));
            pst_stream_close(s);
            pst_engine_close(e);
        }
        assert_memory_equal(y[0], y[1], sizeof y[0]);
        pst_program_free(p);
    }
    pst_model_free(m);
}

/* A step that some cores had finished when it was given up: as if it had been all, whatever of its settle they have
 * done since. They go back to h and c of the step before, which were mended then and are not again, and to the input
 * whose rest its brackets have. */
static void goes_back(const model_held *held, int rests, uint32_t cores) {
    static const model_part mended[] = {MODEL_LSTM_STATE(20), MODEL_LSTM(12), MODEL_LINEAR(3)};
    enum { STEPS = 24 };
    pst_model *m = model_make(4, mended, 3, 2, 1.5);
    pst_program *p = rests ? rests_program(m, held, 0.5f, 3) : model_program_held(m, held);
    pst_engine *one = engine_on(p, 1), *e = engine_on(p, cores);
    pst_stream *right = model_stream(one), *s = model_stream(e);
    float *x = model_normals(8, STEPS * 4), y[3], expect[3];
    for (int t = 0; t < STEPS; t++) {
        if (t % 4 == 1) {
            e->late_time = s->part->time;
            OK(pst_step(s, x, 4, y, 3));
            OK(pst_settle(s, (uint32_t)t % 8 == 1 ? 3 : 0, NULL));
            psti_await_copied(e);
            e->late_stream = s->number;
            e->late = 1;
        }
        OK(pst_step(s, x + t * 4, 4, y, 3));
        OK(pst_step(right, x + t * 4, 4, expect, 3));
        if (memcmp(y, expect, sizeof y) != 0)
            fail_msg("%s on %u cores: step %d differs", held->format, cores, t);
        OK(pst_settle(s, (uint32_t)t % 3, NULL));
    }
    pst_stream_close(right);
    pst_stream_close(s);
    pst_engine_close(one);
    pst_engine_close(e);
    pst_program_free(p);
    pst_model_free(m);
    free(x);
}

static void test_goes_back(void **unused) {
    (void)unused;
    for (uint32_t cores = 2; cores <= 3; cores++) {
        for (int f = 0; f < MODEL_FORMATS; f++)
            goes_back(&model_every[f], 0, cores);
        for (int f = 0; f < RESTS; f++)
            goes_back(&rests_every[f], 1, cores);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_wait_ends_for_its_own_step),
                                       cmocka_unit_test(test_steps_before_are_whole), cmocka_unit_test(test_goes_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

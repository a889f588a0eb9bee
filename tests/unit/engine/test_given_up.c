/* A core gives up the step that the caller has given up, and no other: one that the caller has answered may still be
 * copied on another core when the next is given up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "engine/engine.h"
#include "support/expect.h"
#include "support/model.h"

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
    pst_program *p = model_program(m, "f32");
    float y[2][4][3];
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
    pst_model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_wait_ends_for_its_own_step),
                                       cmocka_unit_test(test_steps_before_are_whole)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

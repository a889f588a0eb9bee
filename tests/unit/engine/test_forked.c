/* A forked child's copy of an engine: whatever a worker was at when the parent forked, the child can close it. The
 * child's memory is as it was between two stores of the worker, which nobody can wait for; so it is played here. What
 * goes wrong is an access to freed memory, which a build with sanitizers sees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "soak.h"
#include "support/child.h"

enum { WIDTH = 24, STREAMS = 3 };

typedef struct {
    pst_engine *engine;
    pst_stream *stream[STREAMS];
    int store;
} forked;

/* The queue of core 1 where it takes out the first of three parts, after `store` of its stores. */
static void play(psti_core *core, int store) {
    psti_part *a = core->parts[0], *b = core->parts[1], *c = core->parts[2];
    *a = (psti_part){.slot = a->slot, .pages = a->pages, .owing = 1, .next = b};
    *b = (psti_part){.slot = b->slot, .pages = b->pages, .owing = 1, .next = c, .last = a};
    *c = (psti_part){.slot = c->slot, .pages = c->pages, .owing = 1, .last = b};
    core->owing = a;
    core->owing_last = c;
    if (store > 0)
        core->owing = b;
    if (store > 1)
        b->last = NULL;
    if (store > 2)
        a->next = NULL;
}

static const char *close_all(void *argument) {
    forked *f = argument;
    play(f->engine->core[1], f->store);
    pst_engine_close(f->engine);
    for (int k = 0; k < STREAMS; k++) {
        HOLDS(pst_settle(f->stream[k], 0, NULL) == PST_E_CLOSED);
        pst_stream_close(f->stream[k]);
    }
    return NULL;
}

static void test_queue_in_between(void **unused) {
    (void)unused;
    static const model_part parts[] = {MODEL_LSTM_STATE(40), MODEL_LINEAR(WIDTH)};
    if (getenv("PENSTOCK_EMULATED"))
        skip();
    pst_model *m = model_make(WIDTH, parts, 2, 4, 1.5);
    pst_program *p = model_program(m, "bf16");
    forked f = {.engine = engine_of(p, 2, PST_CALLER_CORE, 0)};
    for (int k = 0; k < STREAMS; k++)
        f.stream[k] = model_stream(f.engine);
    for (f.store = 0; f.store < 4; f.store++)
        in_child(close_all, &f);
    for (int k = 0; k < STREAMS; k++)
        pst_stream_close(f.stream[k]);
    pst_engine_close(f.engine);
    pst_program_free(p);
    pst_model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_queue_in_between)};
    alarm(100); /* a hang is a failure */
    return cmocka_run_group_tests(tests, NULL, NULL);
}

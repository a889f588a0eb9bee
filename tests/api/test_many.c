/* Engines on several cores: who outlives whom, which thread may do what, and forked children. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "../support/child.h"
#include "../support/many.h"

/* Each number of cores with each caller. */
#define FOR_EACH_ENGINE                                                                                                \
    for (uint32_t cores = 2; cores <= 4; cores++)                                                                      \
        for (int caller = PST_CALLER_CORE; caller <= PST_CALLER_APART; caller++)

/* ---- fork ---------------------------------------------------------------------------------------------------------
 */

typedef struct {
    const many_case *of;
    pst_engine *engine;
    pst_stream *stream[2];
    uint32_t cores;
    int caller;
    int engine_first;
} inherited;

/* One of its own has the right bits, and ends its threads. */
static const char *own_engine(const many_case *c, uint32_t cores, int caller) {
    pst_engine_options o = many_options(cores, caller);
    pst_engine_info info;
    pst_engine *own;
    if (MANY_TSAN)
        return NULL;
    PST_INIT(info);
    HOLDS(pst_engine_open(c->program, &o, &own) == PST_OK);
    HOLDS(pst_engine_get_info(own, &info) == PST_OK && info.cores == cores);
    HOLDS(many_entries("/proc/self/task") == 1 + (int)info.threads);
    HOLDS(many_right(c, own));
    pst_engine_close(own);
    many_await_threads(1);
    return NULL;
}

static const char *in_fork(void *argument) {
    const inherited *i = argument;
    pst_stream *out = NULL;
    pst_engine_info info;
    pst_floor floor;
    PST_INIT(info);
    PST_INIT(floor);
    for (int k = 0; k < 2; k++) {
        const char *wrong = many_answers(i->stream[k], PST_E_FORKED);
        if (wrong)
            return wrong;
    }
    HOLDS(pst_stream_open(i->engine, NULL, &out) == PST_E_FORKED && !out);
    HOLDS(pst_engine_get_info(i->engine, &info) == PST_E_FORKED);
    HOLDS(pst_engine_floor(i->engine, 3, 0, &floor) == PST_E_FORKED);
    HOLDS(pst_engine_bind_caller(i->engine) == PST_E_FORKED);
    HOLDS(pst_engine_unbind_caller(i->engine) == PST_E_FORKED);
    const char *wrong = own_engine(i->of, i->cores, i->caller); /* beside the inherited one */
    if (wrong)
        return wrong;
    pst_stream_close(i->stream[0]);
    if (i->engine_first) {
        pst_engine_close(i->engine);
        if ((wrong = many_answers(i->stream[1], PST_E_CLOSED)))
            return wrong;
        pst_stream_close(i->stream[1]);
    } else {
        HOLDS(many_answers(i->stream[1], PST_E_FORKED) == NULL);
        pst_stream_close(i->stream[1]);
        pst_engine_close(i->engine);
    }
    return own_engine(i->of, i->cores, i->caller); /* and after it */
}

static void test_fork(void **unused) {
    (void)unused;
    many_case c;
    many_of(&c, "w8a16", 4);
    FOR_EACH_ENGINE for (int owing = 0; owing < 2; owing++) {
        pst_engine *e = many_open(&c, cores, caller);
        inherited i = {&c, e, {model_stream(e), model_stream(e)}, cores, caller, (int)cores % 2 == owing};
        for (int k = 0; k < 2; k++) {
            assert_true(many_step(&c, i.stream[k], 0));
            OK(pst_settle(i.stream[k], owing ? 1 : 0, NULL));
        }
        pid_t child = child_begin(in_fork, &i);
        for (int k = 0; k < 2; k++) /* the parent goes on meanwhile */
            if (!many_steps(&c, i.stream[k], 1, MANY_STEPS))
                fail_msg("%u cores, caller %s: the parent's stream %d differs", cores, many_callers[caller], k);
        pst_stream_close(i.stream[0]);
        pst_engine_close(e); /* nor has the child to be gone for it */
        pst_stream_close(i.stream[1]);
        child_end(child);
    }
    many_free(&c);
}

typedef struct {
    const many_case *of;
    pst_stream *stream;
    _Atomic int stop, rounds, wrong;
} driving;

static void *drive(void *argument) {
    driving *d = argument;
    while (!atomic_load(&d->stop)) {
        if (!many_steps(d->of, d->stream, 0, MANY_STEPS) || pst_stream_reset(d->stream))
            atomic_store(&d->wrong, 1);
        atomic_fetch_add(&d->rounds, 1);
    }
    return NULL;
}

static const char *in_sudden_fork(void *argument) {
    const inherited *i = argument;
    HOLDS(many_answers(i->stream[0], PST_E_FORKED) == NULL);
    pst_engine_close(i->engine);
    pst_stream_close(i->stream[0]);
    return own_engine(i->of, i->cores, i->caller);
}

/* A fork while another thread steps: the child sees the engine in the midst of a step. */
static void test_fork_in_a_step(void **unused) {
    (void)unused;
    many_case c;
    many_of(&c, "w8a8", 5);
    FOR_EACH_ENGINE {
        pst_engine *e = many_open(&c, cores, caller);
        inherited i = {.of = &c, .engine = e, .stream = {model_stream(e)}, .cores = cores, .caller = caller};
        driving d = {.of = &c, .stream = i.stream[0]};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, drive, &d), 0);
        for (int k = 0; k < 3; k++) {
            int before = atomic_load(&d.rounds);
            while (atomic_load(&d.rounds) == before) /* it really is at work */
                sched_yield();
            in_child(in_sudden_fork, &i);
        }
        atomic_store(&d.stop, 1);
        pthread_join(thread, NULL);
        if (d.wrong)
            fail_msg("%u cores, caller %s: the parent's stream differs", cores, many_callers[caller]);
        pst_stream_close(i.stream[0]);
        pst_engine_close(e);
    }
    many_free(&c);
}

/* ---- closing ------------------------------------------------------------------------------------------------------
 */

/* With every core's settle owing, all of it or some; the streams afterwards. */
static void test_closed_engine(void **unused) {
    (void)unused;
    many_case c;
    many_of(&c, "bf16", 3);
    FOR_EACH_ENGINE for (int steps = 0; steps < 4; steps++) {
        pst_engine *e = many_open(&c, cores, caller);
        pst_stream *s[4];
        for (int k = 0; k < 4; k++) {
            s[k] = model_stream(e);
            for (int t = 0; t < steps; t++)
                assert_true(many_step(&c, s[k], t));
            if (steps)
                OK(pst_settle(s[k], (uint32_t)k % 3 + 1, NULL));
        }
        assert_true(steps == 0 || many_step(&c, s[steps], steps));
        pst_stream_close(s[0]);
        pst_engine_close(e);
        for (int k = 1; k < 4; k++) {
            for (int left = k; left < 4; left++) { /* until each is closed itself */
                const char *wrong = many_answers(s[left], PST_E_CLOSED);
                if (wrong)
                    fail_msg("%u cores, caller %s: after the engine was closed: %s", cores, many_callers[caller],
                             wrong);
            }
            pst_stream_close(s[k]);
        }
    }
    many_free(&c);
}

/* Any of the streams for which cores owe a settle may go: the first of them, the last, or one between. */
static void test_closed_stream(void **unused) {
    (void)unused;
    enum { STREAMS = 3, LAST = 10 };
    many_case c;
    many_of(&c, "w8a16", 6);
    FOR_EACH_ENGINE {
        pst_engine *e = many_open(&c, cores, caller);
        for (int gone = 0; gone < STREAMS; gone++) {
            pst_stream *s[STREAMS];
            for (int k = 0; k < STREAMS; k++)
                s[k] = model_stream(e);
            for (int t = 0; t < 3; t++)
                for (int k = 0; k < STREAMS; k++)
                    assert_true(many_step(&c, s[k], t));
            pst_stream_close(s[gone]);
            s[gone] = model_stream(e); /* its number is free, and its memory may be the same */
            assert_true(many_steps(&c, s[gone], 0, 3));
            for (int k = 0; k < STREAMS; k++)
                if (!many_steps(&c, s[k], 3, LAST))
                    fail_msg("%u cores, caller %s: stream %d differs after stream %d was closed", cores,
                             many_callers[caller], k, gone);
            for (int k = 0; k < STREAMS; k++)
                pst_stream_close(s[(k + gone) % STREAMS]);
        }
        pst_engine_close(e);
    }
    many_free(&c);
}

/* ---- threads ------------------------------------------------------------------------------------------------------
 */

typedef struct {
    const many_case *of;
    pst_engine *engine;
    pst_stream *stream;
    int step;
    int right;
} errand;

static void *go_step(void *argument) {
    errand *go = argument;
    go->right = many_step(go->of, go->stream, go->step) && (go->step % 2 || pst_settle(go->stream, 0, NULL) == PST_OK);
    return NULL;
}

static void *go_right(void *argument) {
    errand *go = argument;
    go->right = many_right(go->of, go->engine);
    return NULL;
}

static void *go_close(void *argument) {
    errand *go = argument;
    pst_engine_close(go->engine);
    return NULL;
}

static void *go_open(void *argument) {
    errand *go = argument;
    pst_engine_options o = many_options((uint32_t)go->step, go->right);
    go->right = pst_engine_open(go->of->program, &o, &go->engine) == PST_OK;
    return NULL;
}

static void elsewhere(void *(*run)(void *), errand *go) {
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run, go), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* Opened by one thread, which has ended since; every step by a new one and the opener's or this one between; closed by
 * another. */
static void test_any_thread(void **unused) {
    (void)unused;
    many_case c;
    many_of(&c, "bf16", 7);
    int threads = many_entries("/proc/self/task");
    FOR_EACH_ENGINE {
        errand go = {.of = &c, .step = (int)cores, .right = caller};
        elsewhere(go_open, &go);
        assert_true(go.right);
        go.stream = model_stream(go.engine);
        for (go.step = 0; go.step < MANY_STEPS; go.step++) {
            if (go.step % 3 == 2)
                (void)go_step(&go);
            else
                elsewhere(go_step, &go);
            if (!go.right)
                fail_msg("%u cores, caller %s: step %d differs", cores, many_callers[caller], go.step);
        }
        elsewhere(go_right, &go);
        assert_true(go.right);
        elsewhere(go_close, &go);
        many_await_threads(threads);
        assert_null(many_answers(go.stream, PST_E_CLOSED));
        pst_stream_close(go.stream);
    }
    many_free(&c);
}

typedef struct {
    const many_case *of;
    pst_engine *engine;
    int rounds;
    int right;
} lane;

static void *run_lane(void *argument) {
    lane *l = argument;
    l->right = 1;
    for (int i = 0; i < l->rounds && l->right; i++)
        l->right = many_right(l->of, l->engine);
    return NULL;
}

/* Two engines of different programs: their steps interleaved by one thread, then from two threads at once. */
static void test_two_engines(void **unused) {
    (void)unused;
    static const int idles[] = {PST_IDLE_YIELD, PST_IDLE_PARK};
    many_case c[2];
    many_of(&c[0], "w8a16", 8);
    many_of(&c[1], "f32", 9);
    FOR_EACH_ENGINE for (int way = 0; way < 2; way++) {
        lane l[2];
        pst_stream *s[2];
        pthread_t thread[2];
        for (int k = 0; k < 2; k++) {
            pst_engine_options o = many_options(k ? 2 : cores, k ? PST_CALLER_CORE : caller);
            o.idle = idles[way];
            l[k] = (lane){.of = &c[k], .rounds = 8};
            OK(pst_engine_open(c[k].program, &o, &l[k].engine));
            s[k] = model_stream(l[k].engine);
        }
        for (int t = 0; t < MANY_STEPS; t++)
            for (int k = 0; k < 2; k++)
                if (!many_step(&c[k], s[k], t) || (t % 2 && pst_settle(s[k], 0, NULL)))
                    fail_msg("%u cores, caller %s: step %d of engine %d differs", cores, many_callers[caller], t, k);
        for (int k = 0; k < 2; k++)
            assert_int_equal(pthread_create(&thread[k], NULL, run_lane, &l[k]), 0);
        for (int k = 0; k < 2; k++)
            pthread_join(thread[k], NULL);
        if (!l[0].right || !l[1].right)
            fail_msg("%u cores, caller %s: from two threads at once: %s differs", cores, many_callers[caller],
                     l[0].right ? "the second engine" : "the first engine");
        pst_engine_close(l[0].engine);
        assert_true(many_right(&c[1], l[1].engine)); /* whatever the other does */
        pst_engine_close(l[1].engine);
        pst_stream_close(s[0]);
        pst_stream_close(s[1]);
    }
    many_free(&c[0]);
    many_free(&c[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fork),          cmocka_unit_test(test_fork_in_a_step),
        cmocka_unit_test(test_closed_engine), cmocka_unit_test(test_closed_stream),
        cmocka_unit_test(test_any_thread),    cmocka_unit_test(test_two_engines),
    };
    alarm(280); /* a hang is a failure */
    return cmocka_run_group_tests(tests, NULL, NULL);
}

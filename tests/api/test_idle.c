/* How the cores of an engine wait: every strategy, what the host lacks, and right bits after pauses in which cores have
 * yielded, rehearsed or gone to sleep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "../support/many.h"

static const char *const names[] = {[PST_IDLE_AUTO] = "auto",
                                    [PST_IDLE_SPIN] = "spin",
                                    [PST_IDLE_WAIT] = "wait",
                                    [PST_IDLE_YIELD] = "yield",
                                    [PST_IDLE_PARK] = "park"};

static pst_engine *open_idle(const many_case *c, uint32_t cores, int caller, int idle, uint32_t spin_us) {
    pst_engine_options o = many_options(cores, caller);
    pst_engine *e;
    o.idle = idle;
    o.spin_us = spin_us;
    OK(pst_engine_open(c->program, &o, &e));
    return e;
}

/* How many CPUs the caller has, for those strategies that hold up whom they share one with. */
static uint32_t cpus_here(void) {
    cpu_set_t mine;
    CPU_ZERO(&mine);
    assert_int_equal(sched_getaffinity(0, sizeof mine, &mine), 0);
    return (uint32_t)CPU_COUNT(&mine);
}

/* Whether a program may wait on a line here. */
static int can_wait(void) {
#if defined(__x86_64__)
    unsigned a, b, c, d;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && c >> 5 & 1) /* WAITPKG */
        return 1;
    return __get_cpuid(0x80000001u, &a, &b, &c, &d) && c >> 29 & 1; /* MONITORX */
#elif defined(__aarch64__)
    return 1;
#else
    return 0;
#endif
}

static int idle_lines(const pst_engine_info *info) {
    int n = 0;
    for (size_t i = 0; i < info->shortfall_count; i++)
        n += strncmp(info->shortfalls[i], "idle: ", 6) == 0;
    return n;
}

static void test_names(void **unused) {
    (void)unused;
    many_case c;
    many_of(&c, "bf16", 1);
    for (int idle = PST_IDLE_AUTO; idle <= PST_IDLE_PARK; idle++)
        for (int caller = PST_CALLER_CORE; caller <= PST_CALLER_APART; caller++)
            for (uint32_t cores = 1; cores <= 3; cores++) {
                if (cores + (uint32_t)caller > cpus_here() && (idle == PST_IDLE_SPIN || idle == PST_IDLE_WAIT))
                    continue;
                pst_engine *e = open_idle(&c, cores, caller, idle, 0);
                pst_engine_info info = many_info(e);
                int lacking = idle == PST_IDLE_WAIT && !can_wait();
                if (idle == PST_IDLE_AUTO) { /* a quota may also say yield */
                    assert_true(strcmp(info.idle, "spin") == 0 || strcmp(info.idle, "yield") == 0);
                    if (cores + (uint32_t)caller > cpus_here())
                        assert_string_equal(info.idle, "yield");
                } else {
                    assert_string_equal(info.idle, lacking ? "spin" : names[idle]);
                }
                assert_int_equal(idle_lines(&info), lacking);
                pst_engine_close(e);
            }
    if (!can_wait())
        print_message("this processor lets a program wait on no line: WAIT spins\n");
    many_free(&c);
}

static void test_refused(void **unused) {
    (void)unused;
    many_case c;
    many_of(&c, "bf16", 1);
    pst_engine_options o = many_options(2, PST_CALLER_CORE);
    pst_engine *e = NULL;
    o.idle = PST_IDLE_PARK + 1;
    FAILS(PST_E_ARGUMENT, pst_engine_open(c.program, &o, &e));
    assert_string_equal(expect_error().field, "idle");
    o.idle = -1;
    FAILS(PST_E_ARGUMENT, pst_engine_open(c.program, &o, &e));
    assert_string_equal(expect_error().field, "idle");
    o.idle = PST_IDLE_PARK;
    o.spin_us = 1000001;
    FAILS(PST_E_ARGUMENT, pst_engine_open(c.program, &o, &e));
    assert_string_equal(expect_error().field, "spin_us");
    assert_null(e);
    many_free(&c);
}

/* Two streams by turns, with nothing, a settle or a warm between, and pauses. */
static void paused(const many_case *c, pst_engine *e, const char *what) {
    static const useconds_t pauses[] = {0, 1000, 30000};
    pst_stream *s[2] = {model_stream(e), model_stream(e)};
    for (int t = 0; t < MANY_STEPS; t++) {
        useconds_t pause = pauses[t % 3];
        if (pause)
            usleep(pause);
        for (int k = 0; k < 2; k++) {
            if (t % 5 == 4 && k)
                OK(pst_warm(s[k]));
            if (!many_step(c, s[k], t))
                fail_msg("%s: stream %d: step %d differs, after a pause of %u us", what, k, t, (unsigned)pause);
            if (t % 4 == 1)
                OK(pst_settle(s[k], (uint32_t)k, NULL));
        }
    }
    pst_stream_close(s[0]);
    pst_stream_close(s[1]);
}

static void test_pauses(void **unused) {
    (void)unused;
    static const struct {
        int idle;
        uint32_t spin_us;
    } ways[] = {{PST_IDLE_AUTO, 0},   {PST_IDLE_SPIN, 0}, {PST_IDLE_WAIT, 0}, {PST_IDLE_YIELD, 0},
                {PST_IDLE_YIELD, 40}, {PST_IDLE_PARK, 0}, {PST_IDLE_PARK, 1}, {PST_IDLE_PARK, 2000}};
    many_case c;
    many_of(&c, "w8a8", 2);
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++)
        for (int caller = PST_CALLER_CORE; caller <= PST_CALLER_APART; caller++)
            for (uint32_t cores = 2; cores <= 4; cores++) {
                int polls = ways[w].idle == PST_IDLE_SPIN || ways[w].idle == PST_IDLE_WAIT;
                if (cores + (uint32_t)caller > cpus_here() && (polls || ways[w].spin_us))
                    continue; /* as far as they poll, they hold up whom they wait for */
                char what[96];
                snprintf(what, sizeof what, "%u cores, caller %s, idle %s, spin_us %u", cores, many_callers[caller],
                         names[ways[w].idle], ways[w].spin_us);
                pst_engine *e = open_idle(&c, cores, caller, ways[w].idle, ways[w].spin_us);
                paused(&c, e, what);
                pst_engine_close(e);
            }
    many_free(&c);
}

/* ---- parking ------------------------------------------------------------------------------------------------------
 */

/* The kernel's letter for what a thread does: S is asleep until something wakes it. */
static char state_of(pid_t thread) {
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)thread);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t got = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[got] = 0;
    const char *behind = strrchr(text, ')'); /* the name, which may hold anything */
    assert_true(behind && behind[1] == ' ');
    return behind[2];
}

/* Waits until all of the engine's threads are; the alarm is the limit. */
static void until_asleep(uint32_t cores, int caller) {
    for (uint32_t m = caller == PST_CALLER_CORE; m < cores; m++) {
        pid_t thread = many_thread_of(m);
        assert_int_not_equal(thread, 0);
        while (state_of(thread) != 'S')
            sched_yield();
    }
}

static void *close_it(void *engine) {
    pst_engine_close(engine);
    return NULL;
}

/* Cores that park do sleep, and whatever the caller does next wakes them: a step, a job of every kind, the end. */
static void test_park(void **unused) {
    (void)unused;
    many_case c;
    many_of(&c, "w8a16", 3);
    for (int caller = PST_CALLER_CORE; caller <= PST_CALLER_APART; caller++)
        for (uint32_t cores = 2; cores <= 4; cores++) {
            char state[4096];
            pst_stream *copy;
            pthread_t thread;
            pst_engine *e = open_idle(&c, cores, caller, PST_IDLE_PARK, 1);
            until_asleep(cores, caller);
            pst_stream *s = model_stream(e);
            for (int t = 0; t < MANY_STEPS; t++) {
                until_asleep(cores, caller);
                if (!many_step(&c, s, t))
                    fail_msg("%u cores, caller %s: step %d of parked cores differs", cores, many_callers[caller], t);
                if (t % 3 == 0)
                    OK(pst_settle(s, 0, NULL));
                until_asleep(cores, caller);
                switch (t % 5) {
                case 0:
                    OK(pst_warm(s));
                    break;
                case 1:
                    OK(pst_stream_clone(s, &copy));
                    until_asleep(cores, caller);
                    pst_stream_close(s);
                    s = copy;
                    break;
                case 2:
                    OK(pst_stream_save(s, state, sizeof state));
                    OK(pst_stream_reset(s));
                    until_asleep(cores, caller);
                    OK(pst_stream_restore(s, state, sizeof state));
                    break;
                }
            }
            until_asleep(cores, caller);
            assert_int_equal(pthread_create(&thread, NULL, close_it, e), 0);
            pthread_join(thread, NULL);
            pst_stream_close(s);
        }
    many_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_pauses), cmocka_unit_test(test_park)};
    alarm(280); /* a hang is a failure */
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What engines on several cores leave behind when they are closed, or were not opened: no thread, no file, no memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../support/child.h"
#include "../support/many.h"

static size_t pages_of(int which) {
    size_t pages[2] = {0, 0};
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%zu %zu", &pages[0], &pages[1]) != 2)
        pages[which] = 0;
    if (f)
        fclose(f);
    return pages[which];
}

/* Some with streams, and steps whose settle is owing; some closed without having been unbound. */
static void open_and_close(const many_case *c, int i) {
    pst_engine *e = many_open(c, 2, i % 2 ? PST_CALLER_APART : PST_CALLER_CORE), *none = NULL;
    pst_stream *s = NULL, *clone = NULL;
    pst_engine_options o = many_options(2, PST_CALLER_CORE);
    if (i % 8 < 2) {
        s = model_stream(e);
        for (int t = 0; t < i / 8 % 4; t++)
            assert_true(many_step(c, s, t));
        OK(pst_stream_clone(s, &clone));
    }
    if (i % 6 == 0) {
        cpu_set_t before;
        assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
        OK(pst_engine_bind_caller(e));
        assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    }
    o.cpus = (uint32_t[]){0, 1u << 20};
    FAILS(PST_E_ARGUMENT, pst_engine_open(c->program, &o, &none));
    pst_stream_close(s);
    pst_engine_close(e);
    pst_stream_close(clone);
}

static void test_no_leak(void **unused) {
    (void)unused;
    enum { ROUNDS = 1000, FIRST = 40 };
    int rounds = MANY_ASAN || MANY_TSAN ? 60 : ROUNDS;
    many_case c;
    many_of(&c, "w8a8", 10);
    for (int i = 0; i < FIRST; i++)
        open_and_close(&c, i);
    int threads = many_entries("/proc/self/task"), files = many_entries("/proc/self/fd");
    struct mallinfo2 before = mallinfo2();
    size_t mapped = pages_of(0), resident = pages_of(1);
    for (int i = 0; i < rounds; i++)
        open_and_close(&c, i);
    many_await_threads(threads);
    assert_int_equal(many_entries("/proc/self/fd"), files);
    if (rounds == ROUNDS) { /* a sanitizer's own memory grows; it has its own way of counting */
        struct mallinfo2 after = mallinfo2();
        print_message("%d rounds: heap %+lld bytes, mapped %+lld pages, resident %+lld pages\n", rounds,
                      (long long)(after.uordblks - before.uordblks), (long long)(pages_of(0) - mapped),
                      (long long)(pages_of(1) - resident));
        /* one block a round would be 32,000 bytes at least, one mapping 1,000 pages; what the allocator and the
         * threads' stacks keep for themselves varies by less */
        assert_true(after.uordblks < before.uordblks + 16 * ROUNDS);
        assert_int_equal(after.hblkhd, before.hblkhd);
        assert_true(pages_of(0) < mapped + ROUNDS / 2);
        assert_true(pages_of(1) < resident + ROUNDS / 2);
    }
    many_free(&c);
}

/* The system starts none, one or two of three threads: those that there are end again. */
static const char *with_few_threads(void *argument) {
    const many_case *c = argument;
    pst_engine_options o = many_options(4, PST_CALLER_CORE);
    pst_engine *e = NULL;
    struct rlimit limit;
    int refused = 0;
    if (setgid(65534) != 0 || setuid(65534) != 0)
        return "this user cannot become another";
    for (rlim_t most = 1; !e; most++) {
        HOLDS(getrlimit(RLIMIT_NPROC, &limit) == 0);
        limit.rlim_cur = most;
        HOLDS(setrlimit(RLIMIT_NPROC, &limit) == 0);
        pst_status status = pst_engine_open(c->program, &o, &e);
        if (status) {
            pst_error error = expect_error();
            HOLDS(status == PST_E_HOST && !e);
            HOLDS(error.os_error == EAGAIN && error.item && strncmp(error.item, "penstock/", 9) == 0);
            many_await_threads(1);
            refused++;
        }
        HOLDS(most < 100000);
    }
    HOLDS(refused >= 3);
    HOLDS(many_right(c, e));
    pst_engine_close(e);
    return NULL;
}

static void test_threads_refused(void **unused) {
    (void)unused;
    if (geteuid() != 0 || MANY_TSAN) {
        print_message("skipped: only the superuser can become a user with few processes\n");
        skip();
    }
    many_case c;
    many_of(&c, "bf16", 11);
    in_child(with_few_threads, &c);
    many_free(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_leak), cmocka_unit_test(test_threads_refused)};
    alarm(280); /* a hang is a failure */
    return cmocka_run_group_tests(tests, NULL, NULL);
}

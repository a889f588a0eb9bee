/* cpu/thread: started threads have their name and no signals; binding is felt and taken back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "cpu/thread.h"
#include "cpu/topology.h"
#include "support/expect.h"

typedef struct {
    char name[16];
    sigset_t blocked;
    pthread_t self;
} seen;

static void *look(void *argument) {
    seen *s = argument;
    /* The name is given by the thread that starts this one, so it may come a little later. */
    for (int i = 0; i < 100000 && strcmp(s->name, "penstock-test-1") != 0; i++) {
        pthread_getname_np(pthread_self(), s->name, sizeof s->name);
        sched_yield();
    }
    pthread_sigmask(SIG_BLOCK, NULL, &s->blocked);
    s->self = pthread_self();
    return s;
}

static void named_and_deaf(void **unused) {
    (void)unused;
    sigset_t before, after, usr1;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &usr1, NULL), 0);
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    pthread_t thread;
    seen s = {0};
    void *result = NULL;
    OK(psti_thread_start(&thread, "penstock-test-1", look, &s));
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, &s);
    assert_string_equal(s.name, "penstock-test-1");
    assert_true(pthread_equal(s.self, thread));
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    for (int signal = 1; signal < 32; signal++) {
        if (signal != SIGKILL && signal != SIGSTOP)
            assert_int_equal(sigismember(&s.blocked, signal), 1);
        assert_int_equal(sigismember(&before, signal), sigismember(&after, signal)); /* the caller's own mask stays */
    }
    pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
}

static cpu_set_t affinity(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    return set;
}

static void bound_and_taken_back(void **unused) {
    (void)unused;
    cpu_set_t before = affinity();
    for (uint32_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &before))
            continue;
        psti_affinity *was = NULL;
        assert_int_equal(psti_thread_bind(cpu, &was), 0);
        assert_non_null(was);
        cpu_set_t now = affinity();
        assert_int_equal(CPU_COUNT(&now), 1);
        assert_true(CPU_ISSET(cpu, &now));
        assert_int_equal(psti_thread_cpu(), cpu);
        assert_int_equal(psti_thread_restore(was), 0);
        now = affinity();
        assert_true(CPU_EQUAL(&now, &before));
    }
    assert_int_equal(psti_thread_restore(NULL), 0);
}

static void bound_for_good(void **unused) {
    (void)unused;
    cpu_set_t before = affinity();
    uint32_t cpu = psti_thread_cpu();
    assert_true(cpu != PSTI_NO_CPU && CPU_ISSET(cpu, &before));
    assert_int_equal(psti_thread_bind(cpu, NULL), 0);
    cpu_set_t now = affinity();
    assert_int_equal(CPU_COUNT(&now), 1);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

/* A CPU that is not there: an errno, *was untouched, the affinity as before. */
static void refused(void **unused) {
    (void)unused;
    static const uint32_t none[] = {1000000, 1u << 20, 1u << 31, PSTI_NO_CPU - 1, PSTI_NO_CPU};
    cpu_set_t before = affinity();
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        psti_affinity *mark = (psti_affinity *)(uintptr_t)&before, *was = mark;
        assert_int_equal(psti_thread_bind(none[i], &was), EINVAL);
        assert_ptr_equal(was, mark);
        assert_int_equal(psti_thread_bind(none[i], NULL), EINVAL);
    }
    cpu_set_t now = affinity();
    assert_true(CPU_EQUAL(&now, &before));
}

/* Nor is a mask allocated that reaches up to it: half a gigabyte for the largest numbers. */
static void refused_at_once(void **unused) {
    (void)unused;
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    assert_int_equal(psti_thread_bind(PSTI_NO_CPU - 1, NULL), EINVAL);
    getrusage(RUSAGE_SELF, &after);
    assert_true(after.ru_minflt - before.ru_minflt < 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(named_and_deaf), cmocka_unit_test(bound_and_taken_back), cmocka_unit_test(bound_for_good),
        cmocka_unit_test(refused),        cmocka_unit_test(refused_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Pairs of CPUs: which there are, hops, sharing, and that nobody is waited for without end. Measured figures only for
 * sense: no test here knows how fast a host is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/pair.h"
#include "support/expect.h"

enum { MOST = 4096 };
static uint32_t cpus[MOST];
static size_t count;

static int setup(void **unused) {
    (void)unused;
    alarm(200); /* threads that wait for each other for ever are a failure, not a stop */
    count = MOST;
    return pst_host_cpus(cpus, &count);
}

static cpu_set_t affinity(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    return set;
}

static void all_cpus(void **unused) {
    (void)unused;
    cpu_set_t mine = affinity();
    size_t n = 0;
    OK(pst_host_cpus(NULL, &n));
    assert_int_equal(n, count);
    assert_true(n >= 1 && n <= (size_t)CPU_COUNT(&mine));
    for (size_t i = 0; i < n; i++) {
        assert_true(CPU_ISSET(cpus[i], &mine));
        assert_true(cpus[i] >= cpus[0]);
        for (size_t j = 0; j < i; j++)
            assert_true(cpus[i] != cpus[j]);
    }
    FAILS(PST_E_ARGUMENT, pst_host_cpus(cpus, NULL));
    uint32_t mark = 77;
    n = 0;
    FAILS(PST_E_ARGUMENT, pst_host_cpus(&mark, &n));
    SAYS("count is 0");
    assert_true(n == 0 && mark == 77);
    assert_int_equal(expect_error().expected, count);
}

static void check_hop(const pst_hop *h) {
    assert_int_equal(h->size, sizeof *h);
    assert_true(h->count >= 1);
    assert_true(h->p50_ns >= 0 && h->p50_ns <= h->p99_ns && h->p99_ns <= h->p999_ns && h->p999_ns <= h->max_ns);
    assert_true(isfinite(h->max_ns) && h->mean_ns >= 0 && h->mean_ns <= h->max_ns);
}

static void hops_of_every_kind(void **unused) {
    (void)unused;
    cpu_set_t before = affinity();
    const uint32_t pairs[][2] = {{cpus[0], cpus[0]}, {cpus[0], cpus[count - 1]}, {cpus[count - 1], cpus[0]}};
    for (size_t i = 0; i < 3; i++) {
        pst_hop h;
        PST_INIT(h);
        OK(pst_host_hop(pairs[i][0], pairs[i][1], i ? 0.01 : 0, &h));
        print_message("%u to %u: %.0f ns, p99 %.0f, p99.9 %.0f, max %.0f, mean %.0f of %llu\n", pairs[i][0],
                      pairs[i][1], h.p50_ns, h.p99_ns, h.p999_ns, h.max_ns, h.mean_ns, (unsigned long long)h.count);
        check_hop(&h);
    }
    cpu_set_t after = affinity();
    assert_true(CPU_EQUAL(&before, &after));
}

static void sharing(void **unused) {
    (void)unused;
    if (count < 2) {
        print_message("one CPU: no pair\n");
        skip();
    }
    pst_sharing s;
    PST_INIT(s);
    pst_status status = pst_host_sharing(cpus[0], cpus[1], 0, &s);
    if (status == PST_E_HOST) { /* a busy host may leave nothing undisturbed */
        SAYS("something else runs there");
        assert_true(s.count == 0 && s.alone_ns == 0);
        return;
    }
    OK(status);
    print_message("%u beside %u: %.0f ns alone, %.0f together, %.2f times\n", cpus[0], cpus[1], s.alone_ns,
                  s.together_ns, s.slowdown);
    assert_int_equal(s.size, sizeof s);
    assert_true(s.count >= 2 && s.alone_ns > 0 && s.together_ns > 0);
    assert_true(fabs(s.slowdown - s.together_ns / s.alone_ns) < 1e-9);
}

static void an_older_caller(void **unused) {
    (void)unused;
    pst_hop h;
    memset(&h, 0x5a, sizeof h);
    const pst_hop mark = h;
    h.size = offsetof(pst_hop, p50_ns);
    OK(pst_host_hop(cpus[0], cpus[0], 0, &h));
    assert_int_equal(h.size, offsetof(pst_hop, p50_ns));
    assert_true(h.count >= 1 && h.count < mark.count);
    assert_memory_equal(&h.p50_ns, &mark.p50_ns, sizeof h - offsetof(pst_hop, p50_ns));
}

static void refused(void **unused) {
    (void)unused;
    pst_hop h, none = {0};
    pst_sharing s;
    PST_INIT(h);
    PST_INIT(s);
    const double wrong[] = {NAN, -1, 3601, INFINITY};
    for (size_t i = 0; i < 4; i++) {
        FAILS(PST_E_ARGUMENT, pst_host_hop(cpus[0], cpus[0], wrong[i], &h));
        SAYS("seconds");
        FAILS(PST_E_ARGUMENT, pst_host_sharing(cpus[0], cpus[0] + 1, wrong[i], &s));
    }
    FAILS(PST_E_ARGUMENT, pst_host_hop(cpus[0], cpus[0], 0, NULL));
    FAILS(PST_E_ARGUMENT, pst_host_hop(cpus[0], cpus[0], 0, &none));
    FAILS(PST_E_ARGUMENT, pst_host_sharing(cpus[0], cpus[0] + 1, 0, NULL));
    FAILS(PST_E_ARGUMENT, pst_host_sharing(cpus[0], cpus[0], 0, &s));
    SAYS("expected another one");
    const uint32_t absent[] = {1000000, UINT32_MAX};
    for (size_t i = 0; i < 2; i++) { /* whichever side it is, the other does not wait for it */
        FAILS(PST_E_HOST, pst_host_hop(cpus[0], absent[i], 0, &h));
        SAYS("cannot be bound");
        assert_int_equal(expect_error().found, absent[i]);
        FAILS(PST_E_HOST, pst_host_hop(absent[i], cpus[0], 0, &h));
        FAILS(PST_E_HOST, pst_host_sharing(cpus[0], absent[i], 0, &s));
    }
    assert_true(h.count == 0 && h.max_ns == 0 && s.count == 0);
}

/* ---- the pair itself ----------------------------------------------------------------------------------------------
 */

typedef struct {
    int value[2];
} marks;

static void leave_marks(int side, const atomic_int *over, void *shared) {
    assert_int_equal(atomic_load(over), 0);
    ((marks *)shared)->value[side] += side + 10;
}

static void works_on_a_copy(void **unused) {
    (void)unused;
    marks m = {{1, 2}};
    OK(psti_pair_run((uint32_t[]){cpus[0], cpus[count - 1]}, leave_marks, 60, &m, sizeof m));
    assert_int_equal(m.value[0], 11);
    assert_int_equal(m.value[1], 13);
}

static atomic_int released, ended;

/* Side 1 behaves like a thread whose CPU is held by somebody else: it does not look at `over`. */
static void held(int side, const atomic_int *over, void *shared) {
    ((marks *)shared)->value[side] = 99;
    if (side == 0)
        return;
    while (!atomic_load(&released))
        usleep(1000);
    assert_int_equal(atomic_load(over), 1);
    ((marks *)shared)->value[side] = 100;
    atomic_store(&ended, 1);
}

static void nobody_is_waited_for_without_end(void **unused) {
    (void)unused;
    marks m = {{1, 2}};
    FAILS(PST_E_HOST, psti_pair_run((uint32_t[]){cpus[0], cpus[count - 1]}, held, 0.05, &m, sizeof m));
    SAYS("not done within");
    assert_int_equal(expect_error().found, cpus[count - 1]);
    assert_int_equal(atomic_load(&ended), 0);
    assert_true(m.value[0] == 1 && m.value[1] == 2);
    atomic_store(&released, 1);
    while (!atomic_load(&ended))
        usleep(1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_cpus),
        cmocka_unit_test(hops_of_every_kind),
        cmocka_unit_test(sharing),
        cmocka_unit_test(an_older_caller),
        cmocka_unit_test(refused),
        cmocka_unit_test(works_on_a_copy),
        cmocka_unit_test(nobody_is_waited_for_without_end),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}

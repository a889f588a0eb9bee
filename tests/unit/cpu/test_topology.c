/* cpu/topology: the CPUs of this thread as the system tells them, and the order of company on played hosts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <string.h>

#include "cpu/topology.h"
#include "support/expect.h"

#define NO PSTI_NO_CPU

static cpu_set_t allowed(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    return set;
}

static void this_thread(void **unused) {
    (void)unused;
    cpu_set_t before = allowed();
    psti_topology t;
    OK(psti_topology_load(&t));
    assert_true(t.count >= 1 && t.count <= (uint32_t)CPU_COUNT(&before));
    for (uint32_t i = 0; i < t.count; i++) {
        assert_true(CPU_ISSET(t.cpus[i].cpu, &before));
        assert_true(i == 0 || t.cpus[i].cpu > t.cpus[i - 1].cpu);
        assert_ptr_equal(psti_topology_find(&t, t.cpus[i].cpu), &t.cpus[i]);
        print_message("cpu %u: core %d, l2 %d, l3 %d, node %d, package %d\n", t.cpus[i].cpu, (int)t.cpus[i].core,
                      (int)t.cpus[i].l2, (int)t.cpus[i].l3, (int)t.cpus[i].node, (int)t.cpus[i].package);
    }
    assert_null(psti_topology_find(&t, NO));
    psti_topology_free(&t);
    assert_null(t.cpus);
    assert_int_equal(t.count, 0);
    psti_topology_free(&t);
    cpu_set_t after = allowed();
    assert_true(CPU_EQUAL(&before, &after));
}

/* Only what the thread is bound to counts, and it stays bound. */
static void a_bound_thread(void **unused) {
    (void)unused;
    cpu_set_t before = allowed(), one;
    uint32_t last = 0;
    for (uint32_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        last = CPU_ISSET(cpu, &before) ? cpu : last;
    CPU_ZERO(&one);
    CPU_SET(last, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    psti_topology t;
    OK(psti_topology_load(&t));
    assert_int_equal(t.count, 1);
    assert_int_equal(t.cpus[0].cpu, last);
    psti_topology_free(&t);
    cpu_set_t after = allowed();
    assert_true(CPU_EQUAL(&one, &after));
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

static void check_order(const psti_cpu *cpus, uint32_t count, uint32_t first, const uint32_t *expected) {
    psti_cpu copy[16];
    uint32_t order[16];
    memcpy(copy, cpus, count * sizeof *cpus);
    memset(order, 0x5a, sizeof order);
    const psti_topology t = {copy, count};
    psti_topology_order(&t, first, order);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(order[i], expected[i]);
    assert_int_equal(order[count], 0x5a5a5a5a);
}

/* Four cores of two threads each, numbered as Linux does on x86: the second threads after all first ones. */
static void cores_before_their_second_threads(void **unused) {
    (void)unused;
    const psti_cpu cpus[] = {{0, 0, 0, 0, 0, 0, 0}, {1, 1, 1, 0, 0, 0, 0}, {2, 2, 2, 0, 0, 0, 0},
                             {3, 3, 3, 0, 0, 0, 0}, {4, 0, 0, 0, 0, 0, 0}, {5, 1, 1, 0, 0, 0, 0},
                             {6, 2, 2, 0, 0, 0, 0}, {7, 3, 3, 0, 0, 0, 0}};
    check_order(cpus, 8, 0, (const uint32_t[]){0, 1, 2, 3, 4, 5, 6, 7});
    check_order(cpus, 8, 5, (const uint32_t[]){5, 0, 2, 3, 1, 4, 6, 7});
}

/* Two packages, each with two L3 of two cores; every core has an L2 of its own. */
static void the_nearest_cache_first(void **unused) {
    (void)unused;
    const psti_cpu cpus[] = {{0, 0, 0, 0, 0, 0, 0}, {1, 1, 1, 1, 0, 0, 0}, {2, 2, 2, 0, 0, 0, 0},
                             {3, 3, 3, 1, 0, 0, 0}, {4, 4, 4, 2, 1, 1, 0}, {5, 5, 5, 3, 1, 1, 0},
                             {6, 6, 6, 2, 1, 1, 0}, {7, 7, 7, 3, 1, 1, 0}};
    check_order(cpus, 8, 0, (const uint32_t[]){0, 2, 1, 3, 4, 5, 6, 7});
    check_order(cpus, 8, 7, (const uint32_t[]){7, 5, 4, 6, 0, 1, 2, 3});
}

/* Cores that share an L2 are nearer than those that share an L3; nodes of one package before another package. */
static void clusters_and_nodes(void **unused) {
    (void)unused;
    const psti_cpu cpus[] = {{0, 0, 0, 0, 0, 0, 0}, {1, 1, 1, 0, 0, 0, 0}, {2, 2, 0, 0, 0, 0, 0},
                             {3, 3, 2, 1, 1, 0, 0}, {4, 4, 3, 2, 2, 1, 0}, {5, 5, 4, 3, 0, 0, 0}};
    check_order(cpus, 6, 0, (const uint32_t[]){0, 2, 1, 5, 3, 4, 0});
}

/* A virtual machine may tell nothing: what is not known is not shared. */
static void nothing_known(void **unused) {
    (void)unused;
    const psti_cpu cpus[] = {{3, NO, NO, NO, NO, NO, 0}, {5, NO, NO, NO, NO, NO, 0}, {9, NO, NO, NO, NO, NO, 0}};
    check_order(cpus, 3, 5, (const uint32_t[]){5, 3, 9});
    check_order(cpus, 3, 4, (const uint32_t[]){3, 5, 9}); /* a CPU that is not among them: from the first */
    check_order(cpus, 1, 3, (const uint32_t[]){3});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(this_thread),
        cmocka_unit_test(a_bound_thread),
        cmocka_unit_test(cores_before_their_second_threads),
        cmocka_unit_test(the_nearest_cache_first),
        cmocka_unit_test(clusters_and_nodes),
        cmocka_unit_test(nothing_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

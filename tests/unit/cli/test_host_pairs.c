/* cli/host_pairs over a played host: the library's measurements are replaced by figures of four cores of two threads
 * each, in two groups that are far from each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "cli/host_pairs.c"

enum { CPUS = 8 };
static uint32_t count, asked[CPUS], dead;

/* CPUs 10 to 17; 10 + i and 14 + i are threads of core i; cores 0 and 1 are one group, 2 and 3 the other. */
static int core_of(uint32_t cpu) {
    return (int)(cpu - 10) % 4;
}

pst_status pst_host_cpus(uint32_t *cpus, size_t *n) {
    for (uint32_t i = 0; cpus && i < count; i++)
        cpus[i] = 10 + i;
    *n = count;
    return PST_OK;
}

pst_status pst_host_hop(uint32_t a, uint32_t b, double seconds, pst_hop *out) {
    assert_true(a < b && seconds > 0);
    asked[a - 10]++;
    asked[b - 10]++;
    if (a == dead || b == dead)
        return PST_E_HOST;
    out->p50_ns = core_of(a) == core_of(b) ? 12 : core_of(a) / 2 == core_of(b) / 2 ? 50 : 200;
    return PST_OK;
}

pst_status pst_host_sharing(uint32_t a, uint32_t b, double seconds, pst_sharing *out) {
    assert_true(a < b && seconds > 0);
    out->slowdown = core_of(a) == core_of(b) ? 1.9 : 1.02;
    return PST_OK;
}

void pst_last_error(pst_error *e) {
    e->item = "cpu";
    e->found = dead;
    e->message = "the CPU is dead";
}

int cli_error(const char *format, ...) {
    (void)format;
    fail();
    return CLI_BAD;
}

int cli_library_error(const char *where) {
    return cli_error("%s", where);
}

int cli_progress(void *user, double done, const char *stage) {
    assert_true(!user && done >= 0 && done <= 1 && stage);
    return 0;
}

static host_pairs measured(uint32_t cpus, uint32_t dead_cpu) {
    host_pairs p;
    count = cpus;
    dead = dead_cpu;
    memset(asked, 0, sizeof asked);
    assert_int_equal(host_pairs_measure(1, 1, &p), CLI_OK);
    assert_int_equal(p.cpu_count, cpus);
    assert_int_equal(p.count, cpus * (cpus - 1) / 2);
    return p;
}

static void every_pair_once(void **unused) {
    (void)unused;
    host_pairs p = measured(CPUS, 0);
    size_t k = 0;
    for (uint32_t a = 10; a < 10 + CPUS; a++)
        for (uint32_t b = a + 1; b < 10 + CPUS; b++, k++) {
            assert_true(p.pair[k].a == a && p.pair[k].b == b && p.pair[k].has_hop);
            assert_int_equal(p.pair[k].has_sharing, core_of(a) == core_of(b)); /* the nearest of each only */
        }
    assert_string_equal(p.problem, "");
    host_pairs_free(&p);
    assert_null(p.pair);
}

static void one_thread_of_each_core(void **unused) {
    (void)unused;
    host_pairs p = measured(CPUS, 0);
    assert_int_equal(p.own_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(p.own[i], i);
    assert_true(p.hop_ns[0] == 0 && p.hop_ns[1] == 50);
    assert_true(p.hop_ns[2] == 200); /* 50 200 200 */
    assert_true(p.hop_ns[3] == 200); /* 50 50 200 200 200 200 */
    host_pairs_free(&p);
    p = measured(4, 0); /* no second threads */
    assert_int_equal(p.own_count, 4);
    host_pairs_free(&p);
}

static void a_dead_cpu(void **unused) {
    (void)unused;
    host_pairs p = measured(CPUS, 12);
    assert_int_equal(asked[2], 1); /* once is enough */
    assert_int_equal(p.own_count, 4);
    assert_int_equal(p.own[2], 3);
    assert_int_equal(p.own[3], 6); /* the other thread of its core serves instead */
    assert_string_equal(p.problem, "the CPU is dead");
    for (size_t i = 0; i < p.count; i++)
        assert_int_equal(p.pair[i].has_hop, p.pair[i].a != 12 && p.pair[i].b != 12);
    host_pairs_free(&p);
    p = measured(CPUS, 10); /* the first of all */
    assert_int_equal(p.own_count, 4);
    assert_int_equal(p.own[0], 1);
    assert_int_equal(p.own[3], 4);
    host_pairs_free(&p);
    p = measured(2, 11); /* nobody is left to measure with */
    assert_int_equal(p.own_count, 1);
    assert_int_equal(p.own[0], 0);
    assert_true(p.hop_ns[0] == 0);
    host_pairs_free(&p);
}

static void one_cpu(void **unused) {
    (void)unused;
    host_pairs p = measured(1, 0);
    assert_null(p.pair);
    assert_int_equal(p.own_count, 1);
    assert_true(p.hop_ns[0] == 0);
    host_pairs_free(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair_once),
        cmocka_unit_test(one_thread_of_each_core),
        cmocka_unit_test(a_dead_cpu),
        cmocka_unit_test(one_cpu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

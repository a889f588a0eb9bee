/* Which numbers of cores the pilot tries. That it chooses the least is tested in test_bench.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lab/affinity.h"
#include "lab/cell.h"
#include "lab/pilot.h"

static void candidates(void **unused) {
    (void)unused;
    static const struct {
        uint32_t cpus, last, count;
    } expect[] = {{1, 1, 1},   {2, 2, 2},   {3, 3, 3},   {4, 4, 4},   {5, 5, 5},    {6, 6, 5},
                  {16, 16, 8}, {17, 17, 9}, {64, 64, 9}, {65, 64, 9}, {4096, 64, 9}};
    for (size_t i = 0; i < sizeof expect / sizeof *expect; i++) {
        uint32_t list[LAB_PILOT_MOST], n = lab_pilot_candidates(expect[i].cpus, list);
        assert_int_equal(n, expect[i].count);
        assert_int_equal(list[0], 1);
        assert_int_equal(list[n - 1], expect[i].last);
        for (uint32_t k = 1; k < n; k++)
            assert_true(list[k] > list[k - 1] && list[k] <= LAB_CORES_MOST);
    }
}

static void as_many_as_the_thread_may_use(void **unused) {
    (void)unused;
    lab_affinity was, one;
    const uint32_t all = lab_affinity_count();
    assert_true(all >= 1);
    lab_affinity_get(&was);
    assert_non_null(was.set);
    for (uint32_t cpu = 0; !lab_affinity_bind(cpu); cpu++)
        assert_true(cpu < 4096);
    assert_int_equal(lab_affinity_count(), 1);
    lab_affinity_get(&one);
    assert_false(lab_affinity_bind(UINT32_MAX));
    lab_affinity_put(&was);
    assert_int_equal(lab_affinity_count(), all);
    lab_affinity_put(&one);
    assert_int_equal(lab_affinity_count(), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(candidates),
        cmocka_unit_test(as_many_as_the_thread_may_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The host's description and measurement: counts, sizes and medians exactly, measured figures only for sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "host/host.h"

static void gaps_fall_into_their_classes(void **unused) {
    (void)unused;
    const uint64_t ns[] = {0, 999, 1000, 9999, 10000, 99999, 100000, 2500000};
    psti_gaps gaps = {0};
    for (size_t i = 0; i < sizeof ns / sizeof *ns; i++)
        psti_gaps_add(&gaps, ns[i]);
    assert_int_equal(gaps.at_least_1us, 6);
    assert_int_equal(gaps.at_least_10us, 4);
    assert_int_equal(gaps.at_least_100us, 2);
    assert_int_equal(gaps.longest_ns, 2500000);
    assert_int_equal(gaps.lost_ns, 1000 + 9999 + 10000 + 99999 + 100000 + 2500000);
}

static void sizes_of_caches(void **unused) {
    (void)unused;
    assert_int_equal(psti_host_size("48K"), 49152);
    assert_int_equal(psti_host_size("32M"), 33554432);
    assert_int_equal(psti_host_size("1G"), 1073741824);
    assert_int_equal(psti_host_size("512"), 512);
    const char *const wrong[] = {"", "K", "-1K", "12Q", "1KB", " 1K", "99999999999999999999999K"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(psti_host_size(wrong[i]), 0);
}

static void medians(void **unused) {
    (void)unused;
    double odd[] = {5, 1, 9}, even[] = {8, 1, 4, 2}, one[] = {7};
    assert_true(psti_host_median(odd, 3) == 5);
    assert_true(psti_host_median(even, 4) == 3);
    assert_true(psti_host_median(one, 1) == 7);
}

static void this_host(void **unused) {
    (void)unused;
    pst_host host;
    PST_INIT(host);
    uint64_t start = psti_host_now();
    assert_int_equal(pst_host_measure(0.2, NULL, &host), PST_OK);
    assert_true(psti_host_now() - start >= 100000000u);
    assert_int_equal(host.size, sizeof host);
    assert_true(host.cpu[0] && memchr(host.cpu, 0, sizeof host.cpu));
    assert_true(host.logical_cpus >= 1 && host.logical_cpus <= (uint32_t)sysconf(_SC_NPROCESSORS_CONF));
    assert_true(host.virtualised <= 1);
    const uint64_t bytes[] = {host.l1d_bytes, host.l2_bytes, host.l3_bytes};
    const double gbs[] = {host.l1_gbs, host.l2_gbs, host.l3_gbs};
    for (int i = 0; i < 3; i++) /* a cache that is known has a bandwidth, and no other has one */
        assert_true(bytes[i] ? isfinite(gbs[i]) && gbs[i] > 0 : gbs[i] == 0);
    assert_true(host.hiccup_seconds >= 0.1);
    assert_true(host.hiccups_1us >= host.hiccups_10us && host.hiccups_10us >= host.hiccups_100us);
    assert_true(host.hiccup_share >= 0 && host.hiccup_share <= 1);
    assert_true(host.hiccup_max_us > 0);
    assert_true((host.hiccup_max_us >= 1) == (host.hiccups_1us > 0));
}

static void an_older_caller(void **unused) {
    (void)unused;
    pst_host host;
    memset(&host, 0x5a, sizeof host);
    host.size = offsetof(pst_host, logical_cpus);
    assert_int_equal(pst_host_measure(0.2, "scalar", &host), PST_OK);
    assert_int_equal(host.size, offsetof(pst_host, logical_cpus));
    assert_true(host.cpu[0] && host.logical_cpus == 0x5a5a5a5a);
}

static void refused(void **unused) {
    (void)unused;
    pst_host host;
    PST_INIT(host);
    assert_int_equal(pst_host_measure(0.2, NULL, NULL), PST_E_ARGUMENT);
    assert_int_equal(pst_host_measure(NAN, NULL, &host), PST_E_ARGUMENT);
    assert_int_equal(pst_host_measure(1e9, NULL, &host), PST_E_ARGUMENT);
    assert_int_equal(pst_host_measure(0.2, "no_such_level", &host), PST_E_ARGUMENT);
    assert_true(host.cpu[0] == 0 && host.logical_cpus == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaps_fall_into_their_classes),
        cmocka_unit_test(sizes_of_caches),
        cmocka_unit_test(medians),
        cmocka_unit_test(this_host),
        cmocka_unit_test(an_older_caller),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

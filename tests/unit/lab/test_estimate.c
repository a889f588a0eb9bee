/* lab/estimate: the arithmetic on played hosts, exactly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "lab/estimate.h"
#include "lab/models.h"
#include "support/expect.h"

static pst_program *program; /* tiny in bf16: 2 x 128, then a Linear of 32 */
static uint64_t critical, settle;

static int setup(void **unused) {
    (void)unused;
    pst_model *model;
    pst_compile_options o;
    pst_info info;
    PST_INIT(o);
    PST_INIT(info);
    o.format = "bf16";
    o.flags = PST_COMPILE_UNCERTIFIED;
    if (lab_model_create(lab_shape_find("tiny"), 1, &model) || pst_compile(model, &o, &program) != PST_OK)
        return -1;
    pst_model_free(model);
    if (pst_program_get_info(program, &info) != PST_OK)
        return -1;
    critical = info.critical_bytes;
    settle = info.settle_bytes;
    return 0;
}

static int teardown(void **unused) {
    (void)unused;
    pst_program_free(program);
    return 0;
}

static void near(double found, double expected) {
    if (!(fabs(found - expected) <= 1e-9 * fabs(expected))) {
        print_error("expected %.12g, found %.12g\n", expected, found);
        fail();
    }
}

static pst_host host(uint64_t l1, double gbs1, uint64_t l2, double gbs2, uint64_t l3, double gbs3) {
    pst_host h = {.size = sizeof h, .l1d_bytes = l1, .l2_bytes = l2, .l3_bytes = l3};
    h.l1_gbs = gbs1;
    h.l2_gbs = gbs2;
    h.l3_gbs = gbs3;
    return h;
}

static lab_estimate estimate(const pst_host *h, uint32_t cores, double hop_ns, double clock_us) {
    lab_estimate e;
    assert_int_equal(lab_estimate_of(program, h, cores, hop_ns, clock_us, &e), 0);
    return e;
}

static void everything_in_one_cache(void **unused) {
    (void)unused;
    const pst_host h = host(1 << 30, 400, 0, 0, 0, 0);
    lab_estimate e = estimate(&h, 1, 50, 0.02);
    assert_int_equal(e.cores, 1);
    assert_int_equal(e.critical_bytes, critical);
    assert_int_equal(e.working_set, critical + settle);
    near(e.read_us, 1e-3 * (double)critical / 400);
    assert_true(e.hop_us == 0); /* one core waits for none */
    near(e.floor_us, e.read_us + 0.02);
    assert_string_equal(e.limit, "L1 bandwidth");
}

/* Half of the working set in L1, the rest in L2. */
static void two_caches_share_it(void **unused) {
    (void)unused;
    const uint64_t w = critical + settle;
    const pst_host h = host(w / 2, 400, 2 * w, 100, 0, 0);
    lab_estimate e = estimate(&h, 1, 0, 0);
    double one = (double)(w / 2) / (double)w;
    near(e.read_us, 1e-3 * (double)critical * (one / 400 + (1 - one) / 100));
    assert_string_equal(e.limit, "L2 bandwidth");
}

static void what_fits_nowhere(void **unused) {
    (void)unused;
    const uint64_t w = critical + settle;
    const pst_host h = host(w / 100, 400, w / 50, 100, w / 10, 50);
    lab_estimate e = estimate(&h, 1, 0, 0);
    assert_string_equal(e.limit, "memory");
    assert_true(e.read_us < 1e-3 * (double)critical / 50 && e.read_us > 0.9e-3 * (double)critical / 50);
}

/* A cache without a size or a bandwidth is passed over; without any there is no estimate. */
static void unknown_caches(void **unused) {
    (void)unused;
    const pst_host some = host(0, 0, 1 << 20, 0, 1 << 30, 80), none = host(0, 0, 0, 0, 0, 0);
    lab_estimate e = estimate(&some, 1, 0, 0);
    near(e.read_us, 1e-3 * (double)critical / 80);
    assert_string_equal(e.limit, "L3 bandwidth");
    e = estimate(&none, 2, 50, 0.02);
    assert_true(isnan(e.floor_us));
    assert_string_equal(e.limit, "unknown");
}

/* 128 units are 32 times 4: of three cores one has 11. The Linear's 8 KiB stay on one core. */
static void cores_own_whole_blocks(void **unused) {
    (void)unused;
    const pst_host h = host(1 << 30, 400, 0, 0, 0, 0);
    uint64_t two = 0, three = 0, most = 0;
    for (uint32_t i = 0; i < 3; i++) {
        pst_layer_info l;
        PST_INIT(l);
        OK(pst_program_get_layer(program, i, &l));
        two += i < 2 ? l.critical_bytes / 2 : l.critical_bytes;
        three += i < 2 ? l.critical_bytes * 11 / 32 : l.critical_bytes;
        most += i < 2 ? l.critical_bytes / 32 : l.critical_bytes;
    }
    assert_int_equal(estimate(&h, 2, 0, 0).critical_bytes, two);
    assert_int_equal(estimate(&h, 3, 0, 0).critical_bytes, three);
    assert_int_equal(estimate(&h, 32, 0, 0).critical_bytes, most);
    assert_int_equal(estimate(&h, 100, 0, 0).critical_bytes, most);
    lab_estimate e = estimate(&h, 2, 50, 0.02);
    near(e.hop_us, 4 * 0.05); /* three layers and one more */
    near(e.floor_us, e.read_us + 0.2 + 0.02);
    e = estimate(&h, 2, 5000, 0);
    assert_string_equal(e.limit, "hop");
}

/* L3 is every core's together. */
static void cores_share_l3(void **unused) {
    (void)unused;
    const uint64_t w = critical + settle;
    const pst_host h = host(0, 0, 0, 0, w, 80);
    assert_string_equal(estimate(&h, 1, 0, 0).limit, "L3 bandwidth");
    assert_string_equal(estimate(&h, 2, 0, 0).limit, "L3 bandwidth"); /* halves of both */
    /* 64 cores have a 64th of the cache each, and the busiest of them a 32nd of the LSTMs. */
    assert_string_equal(estimate(&h, 64, 0, 0).limit, "memory");
}

static void the_best_number_of_cores(void **unused) {
    (void)unused;
    const pst_host h = host(1 << 30, 100, 0, 0, 0, 0);
    const double none[15] = {0}, far[8] = {0, 1e6, 1e6, 1e6, 1e6, 1e6, 1e6, 1e6}, far_from_3[8] = {0, 0, 1e6, 1e6};
    const pst_host unknown = host(0, 0, 0, 0, 0, 0);
    const struct {
        const pst_host *host;
        uint32_t most;
        const double *hop_ns;
        uint32_t best;
    } cases[] = {
        {&h, 8, none, 8}, {&h, 1, none, 1},       {&h, 0, none, 1},
        {&h, 7, none, 7}, {&h, 15, none, 11}, /* 12 to 15: one has three times 4 units too */
        {&h, 8, far, 1},  {&h, 4, far_from_3, 2}, {&unknown, 8, none, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lab_estimate e;
        assert_int_equal(lab_estimate_best(program, cases[i].host, cases[i].most, cases[i].hop_ns, 0, &e), 0);
        assert_int_equal(e.cores, cases[i].best);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_in_one_cache),  cmocka_unit_test(two_caches_share_it),
        cmocka_unit_test(what_fits_nowhere),        cmocka_unit_test(unknown_caches),
        cmocka_unit_test(cores_own_whole_blocks),   cmocka_unit_test(cores_share_l3),
        cmocka_unit_test(the_best_number_of_cores),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

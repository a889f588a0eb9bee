/* Steps at a bad moment, in short runs: each is counted where it was asked for, and its figures agree with each other.
 * No time is judged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab/error.h"
#include "lab/figures.h"
#include "lab/json.h"
#include "lab/moments_table.h"
#include "support/sample.h"

static lab_options o;
static lab_bench bench;

static int defaults(void **unused) {
    (void)unused;
    if (lab_options_default(&o) || lab_list_parse("--models", "stac_a", &o.models) ||
        lab_list_parse("--formats", "w8a8", &o.formats))
        return -1;
    o.inferences = 80;
    o.budget_s = 1;
    o.level = getenv("PENSTOCK_ISA");
    return 0;
}

static int gone(void **unused) {
    (void)unused;
    lab_bench_free(&bench);
    lab_options_free(&o);
    return 0;
}

static void run(void) {
    if (lab_bench_run(&o, &bench))
        fail_msg("%s", lab_error());
}

/* Whether the tables and the JSON hold that text. */
static int says(const char *what) {
    char *text = NULL;
    size_t n = 0;
    lab_anchors none = {0};
    FILE *to = open_memstream(&text, &n);
    assert_non_null(to);
    assert_int_equal(lab_moments_print(&bench, 0, to), 0);
    assert_int_equal(lab_json_print(&bench, &none, to), 0);
    assert_int_equal(fclose(to), 0);
    int found = strstr(text, what) != NULL;
    free(text);
    return found;
}

static int close_to(double a, double b) {
    return fabs(a - b) <= 1e-9 * fabs(b);
}

static void nothing_asked(void **unused) {
    (void)unused;
    run();
    for (uint32_t i = 0; i < bench.cell_count; i++) {
        const lab_cell *c = &bench.cells[i];
        lab_figures f;
        lab_figures_of(&bench, c, &f);
        assert_true(c->second.count + c->interfered.count + c->silent[0].count + c->silent[1].count == 0);
        assert_true(isnan(f.second_p50_us) && isnan(f.other_excess_us) && isnan(f.silent_over[0]));
    }
    assert_true(says("\"streams\":1,") && says("\"second_p50_us\":null") && says("\"other_p99_us\":null"));
    assert_false(says("A step") || says("The second step"));
}

static void the_second_of_a_burst(void **unused) {
    (void)unused;
    o.burst = 3;
    run();
    for (uint32_t i = 0; i < bench.cell_count; i++) {
        const lab_cell *c = &bench.cells[i];
        lab_figures f;
        lab_figures_of(&bench, c, &f);
        assert_int_equal(c->step.count % 3, 0);
        assert_int_equal(c->second.count, c->step.count / 3);
        assert_int_equal(c->twin.count, c->step.count);
        assert_true(f.second_p50_us > 0 && f.second_p50_us <= f.second_p99_us);
        assert_true(close_to(f.second_over * f.interval_us, f.second_p50_us));
    }
    assert_true(says("The second step of a burst") && !says("A step"));
}

static void another_stream(void **unused) {
    (void)unused;
    o.streams = 2;
    run();
    for (uint32_t i = 0; i < bench.cell_count; i++) {
        const lab_cell *c = &bench.cells[i];
        lab_figures f;
        lab_figures_of(&bench, c, &f);
        assert_int_equal(c->interfered.count, c->step.count);
        assert_true(f.other_p50_us > 0 && f.other_p50_us <= f.other_p99_us);
        assert_true(close_to(f.other_excess_us + f.p50_us + f.twin_p99_us - f.twin_p50_us, f.other_p99_us));
    }
    assert_true(says("A step on another stream") && says("\"streams\":2,") && !says("silence, in us"));
}

static void after_a_silence(void **unused) {
    (void)unused;
    o.silence_ms = 1;
    o.disturb_bytes = 1 << 16;
    run();
    for (uint32_t i = 0; i < bench.cell_count; i++) {
        const lab_cell *c = &bench.cells[i];
        lab_figures f;
        lab_figures_of(&bench, c, &f);
        assert_true(c->silent[0].count >= LAB_ROUNDS && c->silent[1].count == c->silent[0].count);
        for (int warm = 0; warm < 2; warm++)
            assert_true(f.silent_p50_us[warm] > 0 && close_to(f.silent_over[warm] * f.p50_us, f.silent_p50_us[warm]));
    }
    assert_true(says("A step after a silence") && says("\"silence_ms\":1.0") && says("\"disturb_bytes\":65536"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_asked, defaults, gone),
        cmocka_unit_test_setup_teardown(the_second_of_a_burst, defaults, gone),
        cmocka_unit_test_setup_teardown(another_stream, defaults, gone),
        cmocka_unit_test_setup_teardown(after_a_silence, defaults, gone),
    };
    if (sample_of(2) > 1) /* a run takes up to a quarter of a minute there */
        cmocka_set_test_filter("after_a_silence");
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* lab/needed: the fewest cores on played hosts, and that the table and the JSON say them. No time is judged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lab/error.h"
#include "lab/estimate.h"
#include "lab/json.h"
#include "lab/models.h"
#include "lab/needed.h"
#include "support/expect.h"
#include "support/sample.h"

static pst_program *tiny(void) {
    pst_model *model;
    pst_program *program;
    pst_compile_options o;
    PST_INIT(o);
    o.format = "bf16";
    o.flags = PST_COMPILE_UNCERTIFIED;
    assert_int_equal(lab_model_create(lab_shape_find("tiny"), 1, &model), 0);
    OK(pst_compile(model, &o, &program));
    pst_model_free(model);
    return program;
}

static void the_fewest(void **unused) {
    (void)unused;
    pst_program *p = tiny();
    const pst_host h = {.size = sizeof h, .l1d_bytes = 1 << 30, .l1_gbs = 100};
    for (uint32_t cores = 1; cores <= 8; cores++)
        for (double factor = 1; factor < 4; factor += 1.5) {
            lab_needed n;
            lab_estimate e;
            assert_int_equal(lab_estimate_of(p, &h, cores, 10, 0.02, &e), 0);
            assert_int_equal(lab_needed_of(p, &h, 10, 0.02, factor, factor * e.floor_us * 1.0001, &n), 0);
            assert_int_equal(n.cores, cores);
            assert_true(n.us == factor * e.floor_us);
        }
    pst_program_free(p);
}

static void no_number_is_enough(void **unused) {
    (void)unused;
    pst_program *p = tiny();
    const pst_host h = {.size = sizeof h, .l1d_bytes = 1 << 30, .l1_gbs = 100}, unknown = {.size = sizeof h};
    lab_needed n;
    assert_int_equal(lab_needed_of(p, &h, 1000, 0, 1, 2, &n), 0); /* four hops take 4 us */
    assert_int_equal(n.cores, 0);
    assert_true(isnan(n.us));
    assert_int_equal(lab_needed_of(p, &unknown, 10, 0, 1, 1e6, &n), 0); /* no bandwidth, no floor */
    assert_int_equal(n.cores, 0);
    pst_program_free(p);
}

/* A short run on these numbers of cores; whether its text has a table and how often its JSON has a number. */
static void run(const char *cores, int *table, int *numbers) {
    static const char *const texts[] = {
        "{\"source\":\"s\",\"systems\":[{\"system\":\"slow\",\"heading\":\"SLOW\","
        "\"figures\":{\"stac_a\":{\"mean_us\":1e9}}}]}",
        NULL,
    };
    lab_options o;
    lab_bench bench;
    lab_anchors a;
    char *text = NULL, *json = NULL;
    size_t n;
    assert_int_equal(lab_options_default(&o) || lab_list_parse("--models", "stac_a", &o.models) ||
                         lab_list_parse("--formats", "w8a8", &o.formats) || lab_list_parse("--cores", cores, &o.cores),
                     0);
    o.inferences = 40;
    o.budget_s = 1;
    o.level = getenv("PENSTOCK_ISA");
    if (lab_bench_run(&o, &bench))
        fail_msg("%s", lab_error());
    assert_int_equal(lab_anchors_open(texts, &a), 0);
    FILE *to = open_memstream(&text, &n);
    assert_int_equal(lab_needed_print(&bench, &a, 0, to), 0);
    fclose(to);
    to = open_memstream(&json, &n);
    assert_int_equal(lab_json_print(&bench, &a, to), 0);
    fclose(to);
    *table = strstr(text, "< SLOW: floor") != NULL;
    *numbers = 0;
    for (const char *at = json; (at = strstr(at, "\"cores_as_here\":1}")); at++)
        ++*numbers;
    free(text);
    free(json);
    lab_anchors_close(&a);
    lab_bench_free(&bench);
    lab_options_free(&o);
}

static void only_where_several_were_measured(void **unused) {
    (void)unused;
    int table, numbers;
    if (sample_of(2) > 1) /* a run takes up to a quarter of a minute there, and test_bench has one */
        return;
    run("1", &table, &numbers);
    assert_false(table || numbers);
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
        skip();
    run("1,2", &table, &numbers);
    assert_true(table);
    assert_int_equal(numbers, 2); /* a result each */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fewest),
        cmocka_unit_test(no_number_is_enough),
        cmocka_unit_test(only_where_several_were_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

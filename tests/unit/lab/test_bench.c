/* A short run of bench: its JSON has the fields of schema 1 and agrees with itself. No figure is judged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab/error.h"
#include "lab/json.h"
#include "lab/plot.h"
#include "lab/step.h"
#include "lab/table.h"
#include "support/sample.h"

static lab_options o;
static lab_bench bench;
static lab_anchors anchors;

/* The smallest model by name in two formats, on one core and two, where they are to be had; at most 250 steps each. */
static int measure(void **unused) {
    (void)unused;
    if (lab_options_default(&o) || lab_list_parse("--models", "stac_a", &o.models) ||
        lab_list_parse("--formats", "bf16,w8a8", &o.formats) || lab_list_parse("--cores", "1,2,best", &o.cores) ||
        lab_anchors_open(lab_anchor_texts, &anchors))
        return -1;
    o.inferences = 250;
    o.budget_s = 2;
    o.level = getenv("PENSTOCK_ISA");
    int result = lab_bench_run(&o, &bench);
    if (result && strstr(lab_error(), "cores: expected at most 1,")) {
        printf("SKIPPED: two cores: %s\n", lab_error());
        result = lab_list_parse("--cores", "1,best", &o.cores) || lab_bench_run(&o, &bench);
    }
    if (result)
        print_error("%s\n", lab_error());
    return result;
}

/* Cells of one program, one after the other. */
static uint32_t per_program(void) {
    return bench.cell_count / bench.program_count;
}

static int done(void **unused) {
    (void)unused;
    lab_bench_free(&bench);
    lab_anchors_close(&anchors);
    lab_options_free(&o);
    return 0;
}

/* What is written of a run, as text from malloc. */
static char *written_of(const lab_bench *b, int what) {
    char *text = NULL;
    size_t n = 0;
    FILE *to = open_memstream(&text, &n);
    assert_non_null(to);
    if (what == 'j')
        assert_int_equal(lab_json_print(b, &anchors, to), 0);
    else if (what == 'p')
        lab_plot_print(b, &anchors, to);
    else
        assert_int_equal(lab_table_print(b, &anchors, what == 'm', to), 0);
    assert_int_equal(fclose(to), 0);
    return text;
}

static char *written(int what) {
    return written_of(&bench, what);
}

static double number(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    if (!json_is_number(value))
        print_error("%s is not a number\n", name);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static void check_histogram(const json_t *result) {
    const json_t *histogram = json_object_get(result, "histogram"), *class;
    size_t i;
    double last = 0, steps = 0, twins = 0, median = 0;
    assert_true(json_is_array(histogram));
    json_array_foreach(histogram, i, class) {
        assert_int_equal(json_array_size(class), 3);
        double upper = json_number_value(json_array_get(class, 0)), before = steps;
        assert_true(upper > last);
        last = upper;
        steps += json_number_value(json_array_get(class, 1));
        twins += json_number_value(json_array_get(class, 2));
        if (before < 0.5 * number(result, "inferences") && steps >= 0.5 * number(result, "inferences"))
            median = upper;
    }
    assert_true(steps == number(result, "inferences") && twins == steps);
    assert_true(1e3 * number(result, "max_us") < last * 1.0001);
    assert_true(fabs(1e3 * number(result, "p50_us") - median) <= 0.01 * median);
}

static void check_cores(const json_t *r) {
    const double cores = number(r, "cores"), p50 = number(r, "p50_us");
    const json_t *pilot = json_object_get(r, "pilot"), *tried;
    double least = 0, chosen = 0;
    size_t i;
    json_array_foreach(pilot, i, tried) {
        double us = number(tried, "p50_us");
        assert_true(us > 0 && number(tried, "cores") >= 1);
        if (i == 0 || us < least) {
            least = us;
            chosen = number(tried, "cores");
        }
    }
    assert_true(json_array_size(pilot) >= 1 && json_is_boolean(json_object_get(r, "best")));
    assert_true(json_is_true(json_object_get(r, "best")) == (chosen == cores));
    assert_true(json_array_size(json_object_get(r, "cpus")) == cores);
    assert_true(number(r, "openings") == LAB_ROUNDS && number(r, "open_s") > 0 && number(r, "first_us") > 0);
    assert_true(json_is_string(json_object_get(r, "idle")) && number(r, "read_us") > 0);
    assert_true(number(r, "floor_us") >= number(r, "read_us"));
    if (cores == 1) {
        assert_true(number(r, "hops") == 0 && json_is_null(json_object_get(r, "hop_us")));
        assert_true(json_is_null(json_object_get(r, "speed_up")));
    } else {
        assert_true(number(r, "hops") > 0 && number(r, "hop_us") > 0);
        assert_true(number(r, "speed_up") > 0 && number(r, "speed_up") * p50 > 0);
    }
}

static void check_result(const json_t *r) {
    static const char *const strings[] = {"model", "format", "level", "input_kind"};
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        assert_true(json_is_string(json_object_get(r, strings[i])));
    assert_string_equal(json_string_value(json_object_get(r, "model")), "stac_a");
    assert_true(number(r, "layers") == 2 && number(r, "hidden") == 100 && number(r, "input") == 100);
    assert_true(number(r, "output") == 1 && number(r, "parameters") == 161701);
    assert_true(number(r, "spacing_us") == 20 && number(r, "seed") == 1);
    /* at least 4 in each of 10 rounds */
    assert_true(number(r, "inferences") >= 40 && number(r, "inferences") <= 250);
    const double p50 = number(r, "p50_us"), p99 = number(r, "p99_us"), p999 = number(r, "p999_us");
    assert_true(0 < p50 && p50 <= p99 && p99 <= p999 && p999 <= number(r, "max_us"));
    assert_true(number(r, "mean_us") > 0 && number(r, "mean_us") <= number(r, "max_us"));
    assert_true(number(r, "twin_p50_us") > 0 && number(r, "twin_p50_us") <= number(r, "twin_p99_us"));
    assert_true(number(r, "interval_us") > 0 && number(r, "floor_us") > 0);
    assert_true(fabs(number(r, "p50_over_floor") - p50 / number(r, "floor_us")) < 1e-6 * number(r, "p50_over_floor"));
    assert_true(number(r, "p_slow") >= 0 && number(r, "p_slow") <= 0.5);
    assert_true(number(r, "twin_p_slow") >= 0 && number(r, "twin_p_slow") <= 0.5);
    assert_true(json_is_boolean(json_object_get(r, "saturated")));
    assert_true(json_is_true(json_object_get(r, "saturated")) == (number(r, "interval_us") > 20));
    assert_true(number(r, "max_abs_error") >= number(r, "rms_error") && number(r, "rms_error") > 0);
    assert_true(number(r, "relative_rms_error") > 0);
    assert_true(number(r, "error_steps") == 1000 && number(r, "calibration_steps") == 1000);
    assert_string_equal(json_string_value(json_object_get(r, "input_name")), "iid");
    assert_string_equal(json_string_value(json_object_get(r, "input_kind")), "normal");
    assert_true(number(r, "iid_relative_rms_error") == number(r, "relative_rms_error"));
    assert_true(number(r, "ar09_relative_rms_error") > 0);
    assert_true(number(r, "ar09_relative_rms_error") != number(r, "iid_relative_rms_error"));
    assert_true(json_is_null(json_object_get(r, "other_relative_rms_error")));
    assert_true(number(r, "critical_bytes") > 0 && number(r, "settle_bytes") > 0);
    check_histogram(r);
    check_cores(r);
}

static void json(void **unused) {
    (void)unused;
    char *text = written('j');
    json_error_t e;
    json_t *all = json_loads(text, JSON_REJECT_DUPLICATES, &e);
    if (!all)
        print_error("%s\n", e.text);
    assert_non_null(all);
    assert_true(number(all, "schema") == 1);
    const json_t *host = json_object_get(all, "host"), *hiccups = json_object_get(all, "hiccups");
    assert_true(json_is_string(json_object_get(host, "cpu")) && number(host, "logical_cpus") >= 1);
    assert_true(json_array_size(json_object_get(host, "levels")) >= 1);
    assert_true(number(host, "clock_mhz") > 0 && number(host, "clock_pair_ns") >= 0);
    assert_true(number(hiccups, "seconds") > 0 && number(hiccups, "share") >= 0);
    assert_true(number(hiccups, "at_least_1us") >= number(hiccups, "at_least_10us"));
    const json_t *results = json_object_get(all, "results");
    assert_int_equal(json_array_size(results), bench.cell_count);
    for (size_t i = 0; i < bench.cell_count; i++)
        check_result(json_array_get(results, i));
    const json_t *bf16 = json_array_get(results, 0), *w8a8 = json_array_get(results, per_program());
    assert_true(number(bf16, "rms_ratio_bf16") == 1);
    double ratio = number(w8a8, "rms_error") / number(bf16, "rms_error");
    assert_true(fabs(number(w8a8, "rms_ratio_bf16") - ratio) < 1e-6 * ratio);
    json_decref(all);
    free(text);
}

/* One cell of w8a8, as short as can be. */
static int run_short(lab_input input, lab_options *one, lab_bench *b) {
    assert_int_equal(lab_options_default(one), 0);
    assert_int_equal(lab_list_parse("--models", "stac_a", &one->models), 0);
    assert_int_equal(lab_formats_parse("w8a8", &one->formats), 0);
    assert_int_equal(lab_list_parse("--cores", "1", &one->cores), 0);
    one->input = input;
    one->inferences = 40;
    one->budget_s = 1;
    one->level = o.level;
    return lab_bench_run(one, b);
}

/* Which other formats were asked for does not change an error, nor does it matter whether bf16 was one of them. */
static void errors_stand_by_themselves(void **unused) {
    (void)unused;
    lab_options alone;
    lab_bench second;
    if (sample_of(2) > 1) /* a run takes up to a quarter of a minute there */
        return;
    assert_int_equal(run_short(lab_input_iid, &alone, &second), 0);
    assert_true(second.programs[0].errors.rms == bench.programs[1].errors.rms);
    assert_int_equal(second.programs[0].pilot.count, 0);
    assert_false(second.cells[0].best);
    assert_true(second.subjects[0].bf16_rms == bench.subjects[0].bf16_rms);
    lab_bench_free(&second);
    lab_options_free(&alone);
}

static void check_kind(const lab_bench *b, const char *name, const char *kind, uint64_t steps) {
    char *text = written_of(b, 'j');
    json_t *all = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    const json_t *r = json_array_get(json_object_get(all, "results"), 0);
    assert_string_equal(json_string_value(json_object_get(r, "input_name")), name);
    assert_string_equal(json_string_value(json_object_get(r, "input_kind")), kind);
    assert_true(number(r, "calibration_steps") == (double)steps && number(r, "error_steps") == (double)steps);
    json_decref(all);
    free(text);
    text = written_of(b, 't');
    assert_true((strstr(text, "error here") != NULL) == !lab_input_same(&b->options->input, &lab_input_ar));
    free(text);
}

/* Steps take the rows of the second half in turn, and then again. */
static void check_turns(const lab_bench *b, const float *rows, uint32_t count, uint32_t inputs) {
    lab_cell *cell = calloc(1, sizeof *cell);
    assert_non_null(cell);
    assert_int_equal(lab_cell_open(&b->programs[0], 1, b->options, cell), 0);
    for (uint32_t i = 0; i < count; i++) {
        lab_next_input(cell);
        assert_memory_equal(cell->x, rows + (count / 2 + i % (count / 2)) * inputs, inputs * sizeof *rows);
    }
    lab_cell_close(cell);
    free(cell);
}

/* The errors over the kinds that every model has do not depend on --input; it only adds one, and is what the rest of
 * the run is about. The rows are fewer than the steps. */
static void the_input_asked_for(void **unused) {
    (void)unused;
    enum { ROWS = 40, INPUTS = 100 };
    static float rows[ROWS * INPUTS];
    for (int i = 0; i < ROWS * INPUTS; i++)
        rows[i] = (float)(i * 7919 % 1009) / 1e5f;
    const struct {
        lab_input input;
        const char *kind;
        uint64_t steps;
    } of[] = {{lab_input_ar, "ar", 1000},
              {{.name = "ar:0.99", .coefficient = 0.99}, "ar", 1000},
              {{.name = "x.csv", .rows = rows, .steps = ROWS, .columns = INPUTS}, "file", ROWS / 2}};
    for (size_t i = 0; i < sizeof of / sizeof *of && sample_of(2) == 1; i++) {
        lab_options one;
        lab_bench b;
        pst_certificate again;
        assert_int_equal(run_short(of[i].input, &one, &b), 0);
        const lab_program *p = &b.programs[0];
        const int kind = lab_input_kind(&of[i].input);
        assert_true(p->relative_rms[LAB_KIND_IID] == bench.programs[1].relative_rms[LAB_KIND_IID]);
        assert_true(p->relative_rms[LAB_KIND_AR] == bench.programs[1].relative_rms[LAB_KIND_AR]);
        assert_true(isnan(p->relative_rms[LAB_KIND_OTHER]) == (kind == LAB_KIND_AR));
        /* the program that is timed is calibrated on --input's kind; the rows are so small that their scales of h are
         * others than those of noise */
        assert_int_equal(lab_trial_errors(p->subject->own, p->own, o.level, &again), 0);
        assert_true(again.rms == p->errors.rms && again.relative_rms == p->relative_rms[kind]);
        assert_int_equal(lab_trial_errors(p->subject->own, bench.programs[1].own, o.level, &again), 0);
        assert_true(again.rms != p->errors.rms || !of[i].input.rows);
        check_kind(&b, of[i].input.name, of[i].kind, of[i].steps);
        if (of[i].input.rows)
            check_turns(&b, rows, ROWS, INPUTS);
        lab_bench_free(&b);
        lab_options_free(&one);
    }
}

static void an_input_of_another_width(void **unused) {
    (void)unused;
    static const float rows[4 * 3] = {0};
    lab_options one;
    lab_bench none;
    assert_int_equal(run_short((lab_input){.name = "x.csv", .rows = rows, .steps = 4, .columns = 3}, &one, &none), -1);
    assert_string_equal(lab_error(), "--input: x.csv: expected rows of 100 values, the inputs of stac_a, found 3");
    lab_options_free(&one);
}

static void tables(void **unused) {
    (void)unused;
    static const char *const say[] = {"machine:", "hiccups:",  "levels here:", "p99.9",        "interval",  "floor",
                                      "twin p50", "rms error", "/ bf16's",     "IA-840F",      "V80",       "An error",
                                      "speed-up", "best:",     "iid error",    "ar:0.9 error", "inputs iid"};
    for (int markdown = 0; markdown < 2; markdown++) {
        char *text = written(markdown ? 'm' : 't');
        for (size_t i = 0; i < sizeof say / sizeof *say; i++)
            assert_non_null(strstr(text, say[i]));
        assert_true((strstr(text, "| :-- |") != NULL) == markdown);
        assert_null(strstr(text, "error here"));
        free(text);
    }
}

static void picture(void **unused) {
    (void)unused;
    char *text = written('p');
    assert_int_equal(strncmp(text, "<svg ", 5), 0);
    assert_string_equal(text + strlen(text) - 7, "</svg>\n");
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
    free(text);
}

/* A format that says what each layer has: tables have no room for all of it. No step is repeated for this. */
static void a_long_format_is_cut_in_tables_only(void **unused) {
    (void)unused;
    static const char whole[] = "ih=w4r,hh=bf16,linear=w8a16,<more>", cut[] = " ih=w4r,hh=bf16,linear=w8a16, ";
    const char *const own = bench.programs[1].format;
    bench.programs[1].format = whole;
    char *json = written('j'), *table = written('t'), *markdown = written('m'), *plot = written('p');
    bench.programs[1].format = own;
    assert_non_null(strstr(json, whole));
    assert_non_null(strstr(table, cut));
    assert_null(strstr(table, "w8a16,<"));
    assert_non_null(strstr(markdown, cut));
    assert_non_null(strstr(plot, ">ih=w4r,hh=bf16, "));
    free(json);
    free(table);
    free(markdown);
    free(plot);
}

/* The best number has no row of its own where it stands in the list. */
static void no_row_stands_twice(void **unused) {
    (void)unused;
    for (uint32_t i = 0; i < bench.cell_count; i++)
        for (uint32_t k = 0; k < i; k++)
            assert_false(bench.cells[i].program == bench.cells[k].program &&
                         bench.cells[i].cores == bench.cells[k].cores);
    for (uint32_t p = 0; p < bench.program_count; p++) {
        uint32_t best = 0;
        for (uint32_t i = 0; i < bench.cell_count; i++)
            best += bench.cells[i].program == &bench.programs[p] && bench.cells[i].best;
        assert_int_equal(best, 1);
    }
}

static void more_cores_are_the_librarys_to_refuse(void **unused) {
    (void)unused;
    lab_options two;
    lab_bench none;
    assert_int_equal(lab_options_default(&two), 0);
    assert_int_equal(lab_list_parse("--models", "stac_a", &two.models), 0);
    assert_int_equal(lab_list_parse("--cores", "4096", &two.cores), 0);
    two.budget_s = 1;
    assert_int_equal(lab_bench_run(&two, &none), -1);
    assert_non_null(strstr(lab_error(), "cores"));
    lab_options_free(&two);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json),
        cmocka_unit_test(errors_stand_by_themselves),
        cmocka_unit_test(the_input_asked_for),
        cmocka_unit_test(an_input_of_another_width),
        cmocka_unit_test(tables),
        cmocka_unit_test(picture),
        cmocka_unit_test(a_long_format_is_cut_in_tables_only),
        cmocka_unit_test(no_row_stands_twice),
        cmocka_unit_test(more_cores_are_the_librarys_to_refuse),
    };
    return cmocka_run_group_tests(tests, measure, done);
}

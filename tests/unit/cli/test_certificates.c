/* cli/certificates: several of them, what is unknown or undefined, and what was held back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "cli/certificates.c"
#include "cli/json.c"
#include "cli/output.c"
#include "cli/report.c"
#include "program/program.h"

static const pst_certificate own = {.size = sizeof own,
                                    .steps = 80,
                                    .sequences = 1,
                                    .worst_step = 7,
                                    .worst_output = 2,
                                    .from_caller = 1,
                                    .max_abs = 0.5,
                                    .rms = 0.25,
                                    .relative_rms = 0.125,
                                    .over = "calibration",
                                    .drift = 1.5,
                                    .constant_rms = 2,
                                    .constant_max_abs = 4};

/* What print(p, input) writes to standard output. */
static char *printed(int (*print)(const pst_program *, const cli_calibration *), const pst_program *p,
                     const cli_calibration *input) {
    char *text;
    size_t n;
    FILE *kept = stdout;
    stdout = open_memstream(&text, &n);
    assert_non_null(stdout);
    assert_int_equal(print(p, input), CLI_OK);
    fclose(stdout);
    stdout = kept;
    return text;
}

static int json(const pst_program *p, const cli_calibration *input) {
    cli_json_open(NULL, '{');
    int result = cli_print_certificates_json(p, input);
    cli_json_close();
    return result;
}

static void a_row_each(void **unused) {
    (void)unused;
    pst_certificate more[2] = {own, own};
    more[0].over = "held-back";
    more[0].steps = 1234567;
    more[1].over = "step change";
    more[1].relative_rms = more[1].drift = more[1].constant_rms = (double)NAN;
    pst_program p = {.certified = 1, .certificate = own, .more = more, .more_count = 2};
    char *text = printed(cli_print_certificates, &p, NULL);
    assert_string_equal(text, "certificate: against float64 over calibration input, 1 sequence of 80 steps\n"
                              "  over         sequences     steps   max error   rms error    relative    drift  "
                              "constant's rms  worst step, counted from 0\n"
                              "  calibration          1        80   5.000e-01   2.500e-01   1.250e-01      1.5       "
                              "2.000e+00  7 of sequence 0, output 2\n"
                              "  held-back            1 1,234,567   5.000e-01   2.500e-01   1.250e-01      1.5       "
                              "2.000e+00  7 of sequence 0, output 2\n"
                              "  step change          1        80   5.000e-01   2.500e-01   undefined        -         "
                              "      -  7 of sequence 0, output 2\n"
                              "  A relative rms error is undefined where the expected outputs are constant.\n");
    free(text);
    text = printed(json, &p, NULL);
    assert_non_null(strstr(text, "\"over\": \"step change\""));
    assert_non_null(strstr(text, "\"drift\": null"));
    assert_non_null(strstr(text, "\"constant_max_abs_error\": 4"));
    free(text);
}

static void none(void **unused) {
    (void)unused;
    pst_program p = {.certified = 0};
    char *text = printed(cli_print_certificates, &p, NULL);
    assert_string_equal(text, "certificate: none; the program was compiled without one\n");
    free(text);
    text = printed(json, &p, NULL);
    assert_string_equal(text, "{\n  \"certificate\": null,\n  \"certificates\": []\n}\n");
    free(text);
}

static void says(cli_calibration input, uint64_t sequences, uint64_t steps, const char *what) {
    pst_program p = {.certified = 1, .certificate = own};
    p.certificate.sequences = sequences;
    p.certificate.steps = steps;
    char *text = printed(cli_print_certificates, &p, &input);
    if (!strstr(text, what))
        fail_msg("'%s' is not in\n%s", what, text);
    free(text);
}

static void how_much_of_the_calibration(void **unused) {
    (void)unused;
    says((cli_calibration){"x", 1, 100, false}, 1, 100, "input x, 1 sequence of 100 steps\n");
    says((cli_calibration){"x", 1, 100, true}, 1, 80,
         "1 sequence, the first 80 of its 100 steps; the rest is held back\n");
    says((cli_calibration){"x", 1, 100, false}, 1, 80, "the first 80 of its 100 steps; --steps N for more\n");
    says((cli_calibration){"x", 1, 100, true}, 1, 50, "the first 50 of its 100 steps; --steps N for more\n");
    says((cli_calibration){"x", 1, 1200, true}, 1, 1000, "the first 1,000 of its 1,200 steps; --steps N for more\n");
    says((cli_calibration){"x", 6, 100, true}, 5, 100,
         "the first 5 of its 6 sequences of 100 steps; the rest is held back\n");
    says((cli_calibration){"x", 6, 100, true}, 1, 100,
         "the first of its 6 sequences of 100 steps; --steps N for more\n");
    says((cli_calibration){"x", 3, 400, true}, 2, 400,
         "the first 2 of its 3 sequences of 400 steps; --steps N for more\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_each),
        cmocka_unit_test(none),
        cmocka_unit_test(how_much_of_the_calibration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* cli/frontier: the formats that a search has tried, which no file has, as a table and as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "cli/frontier.c"
#include "cli/json.c"
#include "cli/output.c"
#include "program/program.h"

static pst_frontier tried[] = {
    {sizeof(pst_frontier), "w2a8", NULL, 1.25, 0.5, 0.25, (double)NAN, 0, 0},
    {sizeof(pst_frontier), "ih=w4r,hh=w16a16,linear=w8a16", "0=w8r;2=ih=w2a8,hh=bf16", 2.5, 0.125, 0.0625, 0.03, 1, 1},
    {sizeof(pst_frontier), "bf16", NULL, 12.345, 1e-3, 1e-4, 2e-3, 1, 0},
};

/* What `print` writes to standard output. */
static char *printed(int (*print)(const pst_program *), const pst_program *p) {
    char *text;
    size_t n;
    FILE *kept = stdout;
    stdout = open_memstream(&text, &n);
    assert_non_null(stdout);
    assert_int_equal(print(p), CLI_OK);
    fclose(stdout);
    stdout = kept;
    return text;
}

static int table(const pst_program *p) {
    return cli_print_frontier(p, 2);
}

static int json(const pst_program *p) {
    cli_json_open(NULL, '{');
    int result = cli_print_frontier_json(p);
    cli_json_close();
    return result;
}

static void a_table_as_wide_as_its_formats(void **unused) {
    (void)unused;
    pst_program p = {.frontier = tried, .frontier_count = 3};
    char *text = printed(table, &p);
    assert_string_equal(
        text,
        "formats tried, by the respond predicted on this host, on 2 cores:\n"
        "  format                                                predicted us    relative   max error  holds\n"
        "  w2a8                                                          1.25   undefined   5.000e-01  no\n"
        "  ih=w4r,hh=w16a16,linear=w8a16 0=w8r;2=ih=w2a8,hh=bf16         2.50   3.000e-02   1.250e-01  yes, kept\n"
        "  bf16                                                         12.35   2.000e-03   1.000e-03  yes\n"
        "\n");
    free(text);
}

static void nothing_was_searched(void **unused) {
    (void)unused;
    pst_program p = {.frontier_count = 0};
    char *text = printed(json, &p);
    assert_string_equal(text, "{\n  \"frontier\": []\n}\n");
    free(text);
}

static void as_json(void **unused) {
    (void)unused;
    pst_program p = {.frontier = tried, .frontier_count = 2};
    char *text = printed(json, &p);
    assert_non_null(
        strstr(text, "\"format\": \"w2a8\",\n      \"layer_formats\": null,\n      \"predicted_us\": 1.25,"));
    assert_non_null(strstr(text, "\"relative_rms_error\": null,\n      \"holds\": false,\n      \"chosen\": false\n"));
    assert_non_null(strstr(text, "\"layer_formats\": \"0=w8r;2=ih=w2a8,hh=bf16\","));
    assert_non_null(strstr(text, "\"relative_rms_error\": 0.03,\n      \"holds\": true,\n      \"chosen\": true\n"));
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_as_wide_as_its_formats),
        cmocka_unit_test(nothing_was_searched),
        cmocka_unit_test(as_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

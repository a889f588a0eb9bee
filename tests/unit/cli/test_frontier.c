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

static pst_frontier tried[] = {
    {sizeof(pst_frontier), "w2a8", NULL, 1.25, 0.5, 0.25, (double)NAN, 0, 0},
    {sizeof(pst_frontier), "ih=w4r,hh=w16a16,linear=w8a16", "0=w8r;2=ih=w2a8,hh=bf16", 2.5, 0.125, 0.0625, 0.03, 1, 1},
    {sizeof(pst_frontier), "bf16", NULL, 12.345, 1e-3, 1e-4, 2e-3, 1, 0},
};

/* What `print` writes of the first `count` to standard output. */
static char *printed(void (*print)(const cli_frontier *), uint32_t count) {
    cli_frontier f = {0};
    char *text;
    size_t n;
    for (uint32_t i = 0; i < count; i++) {
        pst_frontier row = tried[i];
        char format[64];
        strcpy(format, row.format); /* lives during the call */
        row.format = format;
        cli_frontier_add(&f, &row);
        memset(format, 'x', sizeof format);
    }
    assert_true(f.count == count && !f.lost);
    FILE *kept = stdout;
    stdout = open_memstream(&text, &n);
    assert_non_null(stdout);
    print(&f);
    fclose(stdout);
    stdout = kept;
    cli_frontier_free(&f);
    assert_true(!f.rows && !f.count);
    return text;
}

static void table(const cli_frontier *f) {
    cli_print_frontier(f, 2);
}

static void json(const cli_frontier *f) {
    cli_json_open(NULL, '{');
    cli_print_frontier_json(f);
    cli_json_close();
}

static void a_table_as_wide_as_its_formats(void **unused) {
    (void)unused;
    char *text = printed(table, 3);
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
    char *text = printed(json, 0);
    assert_string_equal(text, "{\n  \"frontier\": []\n}\n");
    free(text);
}

static void as_json(void **unused) {
    (void)unused;
    char *text = printed(json, 2);
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

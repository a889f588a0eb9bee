/* penstock verify: a program's answers against expected ones. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "commands.h"
#include "json.h"
#include "options.h"
#include "output.h"
#include "penstock.h"
#include "report.h"
#include "session.h"

typedef struct {
    const char *program, *input, *expect, *tolerance, *json;
} arguments;

static int print_result(const arguments *a, const cli_session *s, cli_tolerance t, const pst_certificate *c) {
    double reached = t.absolute ? c->max_abs : c->relative_rms;
    bool good = reached <= t.limit; /* false for NaN */
    if (a->json) {
        cli_json_open(NULL, '{');
        cli_json_string("program", a->program);
        cli_json_string("format", s->info.format);
        cli_json_string("level", s->engine_info.level);
        cli_report_errors_json(c);
        cli_json_string("tolerance_on", t.absolute ? "max_abs_error" : "relative_rms_error");
        cli_json_number("tolerance", t.limit);
        cli_json_bool("passed", good);
        cli_json_close();
    } else {
        printf("%s: %s, level %s, %s of %s\n", a->program, s->info.format, s->engine_info.level,
               cli_count(c->sequences, "sequence"), cli_count(c->steps, "step"));
        cli_report_errors(c);
        printf("%s: ", good ? "passed" : "FAILED");
        if (isnan(reached))
            printf("the expected outputs are constant, so a relative tolerance means nothing; use abs:E\n");
        else
            printf("%s %.3e is %s %g\n", t.absolute ? "max error" : "relative rms error", reached,
                   good ? "within" : "above", t.limit);
    }
    return good ? CLI_OK : CLI_FAILED;
}

static int compare(const arguments *a, cli_session *s, cli_tolerance t, const cli_array *x, const cli_array *expect) {
    pst_certificate c;
    PST_INIT(c);
    if (x->columns != s->info.inputs)
        return cli_error("%s: shape %s; the program takes %u inputs: [T, %u] or [streams, T, %u] is needed", a->input,
                         cli_array_shape(x), s->info.inputs, s->info.inputs, s->info.inputs);
    if (expect->rank != x->rank || expect->sequences != x->sequences || expect->steps != x->steps ||
        expect->columns != s->info.outputs) {
        cli_array shape = *x;
        shape.columns = s->info.outputs;
        return cli_error("%s: shape %s; the answers to %s have shape %s", a->expect, cli_array_shape(expect), a->input,
                         cli_array_shape(&shape));
    }
    float *y = cli_session_outputs(s, x);
    int result = y ? cli_session_run(s, a->input, x, y) : CLI_BAD;
    if (result == CLI_OK && pst_compare(y, expect->d, x->sequences, x->steps, s->info.outputs, &c) != PST_OK)
        result = cli_library_error(NULL);
    if (result == CLI_OK)
        result = print_result(a, s, t, &c);
    free(y);
    return result;
}

int cli_verify(int argc, char **argv) {
    arguments a = {0};
    const cli_option table[] = {
        {"input", 'i', "X", "the input, .npy or CSV, - for standard input; needed", &a.input},
        {"expect", 'e', "Y", "the answers expected, .npy (float32 or float64) or CSV; needed", &a.expect},
        {"tolerance", 't', "E|abs:E", "most relative rms error, or with abs: most absolute error; needed",
         &a.tolerance},
        {"json", 0, NULL, "print JSON", &a.json},
        {0},
    };
    const cli_usage usage = {"verify", "M.pstk --input X --expect Y --tolerance E|abs:E [OPTION]...",
                             "Runs a program and compares its answers with expected ones. Relative rms error is\n"
                             "rms error / rms of (y - mean y), mean y being each output's own. Exit status 1 if\n"
                             "the tolerance is missed.",
                             "M.pstk", table};
    switch (cli_parse(&usage, argc, argv, &a.program)) {
    case CLI_HELPED:
        return CLI_OK;
    case CLI_REFUSED:
        return CLI_BAD;
    case CLI_GO:
        break;
    }
    cli_tolerance tolerance;
    if (!a.input || !a.expect || !a.tolerance)
        return cli_error("%s is missing", !a.input ? "--input" : !a.expect ? "--expect" : "--tolerance");
    if (strcmp(a.input, "-") == 0 && strcmp(a.expect, "-") == 0)
        return cli_error("--input - and --expect -: standard input can be only one of them");
    if (!cli_parse_tolerance(a.tolerance, &tolerance))
        return CLI_BAD;
    cli_session s;
    cli_array x = {0}, expect = {0};
    if (cli_session_open(a.program, 1, &s) != CLI_OK)
        return CLI_BAD;
    int result = CLI_BAD;
    if (cli_array_read_path(a.input, false, &x) && cli_array_read_path(a.expect, true, &expect))
        result = compare(&a, &s, tolerance, &x, &expect);
    cli_array_free(&x);
    cli_array_free(&expect);
    cli_session_close(&s);
    return result;
}

/* What a search has tried: see frontier.h. */
#include "frontier.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "json.h"
#include "output.h"

/* Number `index`; PST_E_EMPTY beyond the last. */
static pst_status get(const pst_program *program, uint32_t index, pst_frontier *f) {
    PST_INIT(*f);
    return pst_program_get_frontier(program, index, f);
}

/* A format, and after a blank those of single layers: how wide. */
static int width(const pst_frontier *f) {
    return (int)(strlen(f->format) + (f->layer_formats ? 1 + strlen(f->layer_formats) : 0));
}

static void print_row(const pst_frontier *f, int widest) {
    char relative[24] = "undefined";
    if (!isnan(f->relative_rms))
        snprintf(relative, sizeof relative, "%.3e", f->relative_rms);
    printf("  %s%s%s%*s %12.2f %11s %11.3e  %s\n", f->format, f->layer_formats ? " " : "",
           f->layer_formats ? f->layer_formats : "", widest - width(f), "", f->predicted_us, relative, f->max_abs,
           f->chosen  ? "yes, kept"
           : f->holds ? "yes"
                      : "no");
}

int cli_print_frontier(const pst_program *program, uint32_t cores) {
    pst_frontier f;
    int widest = (int)strlen("format");
    pst_status status = get(program, 0, &f);
    for (uint32_t i = 0; status == PST_OK; status = get(program, ++i, &f))
        widest = width(&f) > widest ? width(&f) : widest;
    if (status == PST_E_EMPTY) {
        printf("formats tried, by the respond predicted on this host, on %s:\n", cli_count(cores, "core"));
        printf("  %-*s %12s %11s %11s  %s\n", widest, "format", "predicted us", "relative", "max error", "holds");
        status = get(program, 0, &f);
    }
    for (uint32_t i = 0; status == PST_OK; status = get(program, ++i, &f))
        print_row(&f, widest);
    printf("\n");
    return status == PST_E_EMPTY ? CLI_OK : cli_library_error(NULL);
}

int cli_print_frontier_json(const pst_program *program) {
    pst_frontier f;
    pst_status status = get(program, 0, &f);
    cli_json_open("frontier", '[');
    for (uint32_t i = 0; status == PST_OK; status = get(program, ++i, &f)) {
        cli_json_open(NULL, '{');
        cli_json_string("format", f.format);
        cli_json_string("layer_formats", f.layer_formats);
        cli_json_number("predicted_us", f.predicted_us);
        cli_json_number("max_abs_error", f.max_abs);
        cli_json_number("rms_error", f.rms);
        cli_json_number("relative_rms_error", f.relative_rms);
        cli_json_bool("holds", f.holds);
        cli_json_bool("chosen", f.chosen);
        cli_json_close();
    }
    cli_json_close();
    return status == PST_E_EMPTY ? CLI_OK : cli_library_error(NULL);
}

/* What a search has tried: see frontier.h. */
#include "frontier.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "output.h"

void cli_frontier_add(void *user, const pst_frontier *tried) {
    cli_frontier *f = user;
    pst_frontier *rows = realloc(f->rows, (f->count + 1) * sizeof *rows);
    if (rows)
        f->rows = rows;
    char *format = strdup(tried->format), *layers = tried->layer_formats ? strdup(tried->layer_formats) : NULL;
    if (!rows || !format || (tried->layer_formats && !layers)) {
        free(format);
        free(layers);
        f->lost = 1;
        return;
    }
    rows[f->count] = *tried;
    rows[f->count].format = format;
    rows[f->count++].layer_formats = layers;
}

void cli_frontier_free(cli_frontier *f) {
    for (uint32_t i = 0; i < f->count; i++) {
        free((char *)f->rows[i].format);
        free((char *)f->rows[i].layer_formats);
    }
    free(f->rows);
    *f = (cli_frontier){0};
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

void cli_print_frontier(const cli_frontier *f, uint32_t cores) {
    int widest = (int)strlen("format");
    for (uint32_t i = 0; i < f->count; i++)
        widest = width(&f->rows[i]) > widest ? width(&f->rows[i]) : widest;
    printf("formats tried, by the respond predicted on this host, on %s:\n", cli_count(cores, "core"));
    printf("  %-*s %12s %11s %11s  %s\n", widest, "format", "predicted us", "relative", "max error", "holds");
    for (uint32_t i = 0; i < f->count; i++)
        print_row(&f->rows[i], widest);
    printf("\n");
}

void cli_print_frontier_json(const cli_frontier *f) {
    cli_json_open("frontier", '[');
    for (uint32_t i = 0; i < f->count; i++) {
        const pst_frontier *row = &f->rows[i];
        cli_json_open(NULL, '{');
        cli_json_string("format", row->format);
        cli_json_string("layer_formats", row->layer_formats);
        cli_json_number("predicted_us", row->predicted_us);
        cli_json_number("max_abs_error", row->max_abs);
        cli_json_number("rms_error", row->rms);
        cli_json_number("relative_rms_error", row->relative_rms);
        cli_json_bool("holds", row->holds);
        cli_json_bool("chosen", row->chosen);
        cli_json_close();
    }
    cli_json_close();
}

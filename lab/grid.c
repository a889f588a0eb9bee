/* A grid of texts: see grid.h. */
#include "lab/grid.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lab/error.h"

int lab_grid_open(lab_grid *g, const char *headings) {
    memset(g, 0, sizeof *g);
    g->text = calloc(LAB_GRID_ROWS, sizeof *g->text);
    if (!g->text)
        return lab_fail_memory();
    g->rows = 1;
    while (g->columns < LAB_GRID_COLUMNS) {
        size_t n = strcspn(headings, "|");
        snprintf(g->text[0][g->columns++], LAB_GRID_BYTES, "%.*s", (int)n, headings);
        if (!headings[n])
            break;
        headings += n + 1;
    }
    return 0;
}

void lab_grid_close(lab_grid *g) {
    free(g->text);
    memset(g, 0, sizeof *g);
}

int lab_grid_row(lab_grid *g) {
    if (g->rows == LAB_GRID_ROWS)
        return 0;
    g->rows++;
    g->filled = 0;
    return 1;
}

void lab_grid_text(lab_grid *g, const char *format, ...) {
    va_list list;
    if (g->filled >= g->columns)
        return;
    va_start(list, format);
    vsnprintf(g->text[g->rows - 1][g->filled++], LAB_GRID_BYTES, format, list);
    va_end(list);
}

void lab_grid_fixed(lab_grid *g, int digits, double value) {
    if (isfinite(value))
        lab_grid_text(g, "%.*f", digits, value);
    else
        lab_grid_text(g, "-");
}

void lab_grid_short(lab_grid *g, int digits, double value) {
    if (isfinite(value))
        lab_grid_text(g, "%.*g", digits, value);
    else
        lab_grid_text(g, "-");
}

void lab_grid_share(lab_grid *g, double value) {
    if (isfinite(value))
        lab_grid_text(g, "%.3g %%", 100 * value);
    else
        lab_grid_text(g, "-");
}

static uint32_t width(const lab_grid *g, uint32_t column) {
    size_t most = 1;
    for (uint32_t r = 0; r < g->rows; r++)
        most = strlen(g->text[r][column]) > most ? strlen(g->text[r][column]) : most;
    return (uint32_t)most;
}

void lab_grid_print(const lab_grid *g, uint32_t left, int markdown, FILE *to) {
    for (uint32_t r = 0; r < g->rows; r++) {
        for (uint32_t c = 0; c < g->columns; c++) {
            int w = (int)width(g, c);
            if (!markdown && c + 1 == g->columns && !g->text[r][c][0])
                break; /* no blanks at the end of a line */
            fprintf(to, "%s%*s", markdown ? (c ? " | " : "| ") : c ? "  " : "", c < left ? -w : w, g->text[r][c]);
        }
        fprintf(to, markdown ? " |\n" : "\n");
        if (r || !markdown)
            continue;
        for (uint32_t c = 0; c < g->columns; c++)
            fprintf(to, "%s%s", c ? " | " : "| ", c < left ? ":--" : "--:");
        fprintf(to, " |\n");
    }
}

/* A grid of texts, printed as columns or as a Markdown table. */
#ifndef LAB_GRID_H
#define LAB_GRID_H

#include <stdint.h>
#include <stdio.h>

enum { LAB_GRID_COLUMNS = 24, LAB_GRID_ROWS = 512, LAB_GRID_BYTES = 32 };

typedef struct {
    uint32_t columns, rows; /* rows: the heading is row 0 */
    char (*text)[LAB_GRID_COLUMNS][LAB_GRID_BYTES];
    uint32_t filled; /* of the last row */
} lab_grid;

/* A grid whose headings are the words between bars of `headings`: "model|n|mean". */
int lab_grid_open(lab_grid *g, const char *headings);
void lab_grid_close(lab_grid *g);
/* Begins a row; false if there is no room for it. */
int lab_grid_row(lab_grid *g);
/* The next text of the row. */
void lab_grid_text(lab_grid *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A number with so many digits behind the point; "-" for NaN. */
void lab_grid_fixed(lab_grid *g, int digits, double value);
/* A number with so many significant digits. */
void lab_grid_short(lab_grid *g, int digits, double value);
/* A share in %, with three significant digits. */
void lab_grid_share(lab_grid *g, double value);

/* The first `left` columns stand at the left, the others at the right. */
void lab_grid_print(const lab_grid *g, uint32_t left, int markdown, FILE *to);

#endif

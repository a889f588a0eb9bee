/* Rows of numbers as text: one row a line; an empty line begins another sequence; lines that begin with # are passed
 * over. Separated by commas, semicolons, or blanks and tabs, as the first row is. */
#ifndef PENSTOCK_CLI_CSV_H
#define PENSTOCK_CLI_CSV_H

#include "array.h"

typedef struct {
    FILE *stream;
    const char *name;
    bool doubles;
    char separator;    /* ',', ';' or ' ' (blanks and tabs); 0: no row yet */
    uint64_t line;     /* the line read last, counted from 1 */
    uint64_t columns;  /* of every row; 0: as many as the first row has */
    uint64_t sequence; /* of the row read last, counted from 0 */
    uint64_t row;      /* of the row read last in its sequence, counted from 0 */
    char *text;        /* the line */
    size_t text_room;
    float *f; /* the row; one of the two */
    double *d;
    size_t row_room;
} cli_csv;

/* Clears *csv for a stream; free it with cli_csv_free. */
void cli_csv_begin(cli_csv *csv, FILE *stream, const char *name, bool doubles);
/* Reads the next row as soon as its line is there: 1; 0 at the end; -1 with a message that names line and column. */
int cli_csv_next(cli_csv *csv);
void cli_csv_free(cli_csv *csv);

/* Reads everything; all sequences must have equally many rows. */
bool cli_csv_read(FILE *stream, const char *name, bool doubles, cli_array *out);
/* Writes one row, with digits that read back as the same floats. Errors stay in the stream. */
void cli_csv_write(FILE *stream, const float *values, uint64_t columns);

#endif

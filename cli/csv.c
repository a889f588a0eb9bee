/* Rows of numbers as text: see csv.h. */
#include "csv.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

/* A row of 65,536 numbers of 25 characters has 1.6 MB; a line without end must not fill the memory. */
enum { LINE_MOST = 16 << 20 };

void cli_csv_begin(cli_csv *csv, FILE *stream, const char *name, bool doubles) {
    memset(csv, 0, sizeof *csv);
    csv->stream = stream;
    csv->name = name;
    csv->doubles = doubles;
}

void cli_csv_free(cli_csv *csv) {
    free(csv->text);
    free(csv->f);
    free(csv->d);
    memset(csv, 0, sizeof *csv);
}

static int fail(const cli_csv *csv, const char *why) {
    cli_error("%s: line %llu%s", csv->name, (unsigned long long)csv->line, why);
    return -1;
}

/* The next line into csv->text, its end cut off: 1, 0 at the end of the stream, -1 with a message. */
static int read_line(cli_csv *csv) {
    size_t n = 0;
    int c;
    errno = 0;
    while ((c = getc_unlocked(csv->stream)) != EOF && c != '\n') {
        if (n + 2 > csv->text_room) {
            size_t room = csv->text_room ? 2 * csv->text_room : 256;
            char *larger = room <= LINE_MOST ? realloc(csv->text, room) : NULL;
            if (!larger) {
                csv->line++;
                return fail(csv, room <= LINE_MOST ? ": no memory" : " is longer than 16 MB");
            }
            csv->text = larger;
            csv->text_room = room;
        }
        csv->text[n++] = (char)c;
    }
    if (c == EOF && ferror(csv->stream)) {
        cli_error("%s: %s", csv->name, errno ? strerror(errno) : "a read failed");
        return -1;
    }
    if (c == EOF && n == 0)
        return 0;
    csv->line++;
    if (n == 0 && !csv->text) {
        csv->text = malloc(csv->text_room = 256);
        if (!csv->text)
            return fail(csv, ": no memory");
    }
    if (n && csv->text[n - 1] == '\r')
        n--;
    csv->text[n] = 0;
    if (strlen(csv->text) != n)
        return fail(csv, " has a zero byte in it: not text");
    return 1;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/* Reads one number from the n characters at `at` into place `column` of the row. */
static int read_number(cli_csv *csv, const char *at, size_t n, uint64_t column) {
    char quoted[24], *end;
    bool cut = n >= sizeof quoted;
    snprintf(quoted, sizeof quoted, "%.*s", (int)(cut ? sizeof quoted - 1 : n), at);
    unsigned long long line = csv->line, k = column + 1;
    if (n == 0) {
        cli_error("%s: line %llu, column %llu: a number is missing", csv->name, line, k);
        return -1;
    }
    if (column == csv->row_room) {
        size_t room = column ? 2 * (size_t)column : 64;
        void *larger = csv->doubles ? realloc(csv->d, room * sizeof(double)) : realloc(csv->f, room * sizeof(float));
        if (!larger)
            return fail(csv, ": no memory");
        csv->row_room = room;
        if (csv->doubles)
            csv->d = larger;
        else
            csv->f = larger;
    }
    /* strtod also takes hexadecimal, which no table holds. */
    bool hexadecimal = memchr(at, 'x', n) || memchr(at, 'X', n);
    double v;
    if (csv->doubles) {
        v = strtod(at, &end);
        csv->d[column] = v;
    } else {
        csv->f[column] = strtof(at, &end);
        v = (double)csv->f[column];
    }
    if (hexadecimal || end != at + n) {
        cli_error("%s: line %llu, column %llu: '%s%s' is not a number%s", csv->name, line, k, quoted, cut ? "..." : "",
                  line == 1 ? " (a heading is passed over only if it begins with #)" : "");
        return -1;
    }
    if (!isfinite(v)) {
        cli_error("%s: line %llu, column %llu: %s%s is not a finite %s", csv->name, line, k, quoted, cut ? "..." : "",
                  csv->doubles ? "number" : "float32");
        return -1;
    }
    return 0;
}

static int read_row(cli_csv *csv, const char *at) {
    uint64_t column = 0;
    if (!csv->separator)
        csv->separator = strchr(at, ',') ? ',' : strchr(at, ';') ? ';' : ' ';
    for (;;) {
        while (is_blank(*at))
            at++;
        size_t n = csv->separator == ' ' ? strcspn(at, " \t") : strcspn(at, csv->separator == ',' ? "," : ";");
        const char *next = at + n;
        while (n && is_blank(at[n - 1]))
            n--;
        if (read_number(csv, at, n, column) != 0)
            return -1;
        column++;
        while (csv->separator == ' ' && is_blank(*next))
            next++;
        if (!*next)
            break;
        at = next + (csv->separator != ' ');
    }
    if (csv->columns && column != csv->columns) {
        cli_error("%s: line %llu has %llu value%s, and %llu are needed", csv->name, (unsigned long long)csv->line,
                  (unsigned long long)column, column == 1 ? "" : "s", (unsigned long long)csv->columns);
        return -1;
    }
    csv->columns = column;
    return 1;
}

int cli_csv_next(cli_csv *csv) {
    bool gap = false, first = !csv->separator;
    for (;;) {
        int got = read_line(csv);
        if (got <= 0)
            return got;
        const char *at = csv->text;
        if (csv->line == 1 && strncmp(at, "\xef\xbb\xbf", 3) == 0) /* a byte order mark */
            at += 3;
        const char *begin = at + strspn(at, " \t");
        if (*begin == '#')
            continue;
        if (!*begin) {
            gap = true;
            continue;
        }
        if (first) {
            csv->row = 0;
        } else if (gap) {
            csv->sequence++;
            csv->row = 0;
        } else {
            csv->row++;
        }
        return read_row(csv, begin);
    }
}

/* Adds the row read last to the array, whose memory has *room elements. */
static bool append(cli_csv *csv, cli_array *out, size_t have, size_t *room) {
    size_t n = (size_t)csv->columns, size = csv->doubles ? sizeof(double) : sizeof(float);
    void *all = csv->doubles ? (void *)out->d : (void *)out->f;
    if (have + n > *room) {
        size_t more = 2 * *room + n;
        all = more > SIZE_MAX / size ? NULL : realloc(all, more * size);
        if (!all)
            return false;
        *room = more;
    }
    if (csv->doubles)
        out->d = all;
    else
        out->f = all;
    memcpy((char *)all + have * size, csv->doubles ? (void *)csv->d : (void *)csv->f, n * size);
    return true;
}

/* A sequence ended with `rows` rows: they must be as many as in the first one. */
static bool end_sequence(const cli_csv *csv, cli_array *out, uint64_t rows) {
    if (out->sequences == 0)
        out->steps = rows;
    if (rows != out->steps) {
        cli_error("%s: sequence %llu (counted from 0) has %llu rows, the first one %llu", csv->name,
                  (unsigned long long)out->sequences, (unsigned long long)rows, (unsigned long long)out->steps);
        return false;
    }
    out->sequences++;
    return true;
}

bool cli_csv_read(FILE *stream, const char *name, bool doubles, cli_array *out) {
    cli_csv csv;
    size_t have = 0, room = 0;
    uint64_t rows = 0;
    int got;
    memset(out, 0, sizeof *out);
    cli_csv_begin(&csv, stream, name, doubles);
    while ((got = cli_csv_next(&csv)) > 0) {
        if (csv.row == 0 && csv.sequence > 0) {
            if (!end_sequence(&csv, out, rows)) {
                got = -1;
                break;
            }
            rows = 0;
        }
        if (!append(&csv, out, have, &room)) {
            got = fail(&csv, ": no memory for so many numbers");
            break;
        }
        have += (size_t)csv.columns;
        rows++;
    }
    if (got == 0 && have == 0) {
        cli_error("%s: no rows", name);
        got = -1;
    }
    if (got == 0 && !end_sequence(&csv, out, rows))
        got = -1;
    out->columns = csv.columns;
    out->rank = out->sequences > 1 ? 3 : 2;
    cli_csv_free(&csv);
    if (got < 0)
        cli_array_free(out);
    return got == 0;
}

void cli_csv_write(FILE *stream, const float *values, uint64_t columns) {
    for (uint64_t i = 0; i < columns; i++)
        fprintf(stream, "%s%.9g", i ? "," : "", (double)values[i]);
    putc('\n', stream);
}

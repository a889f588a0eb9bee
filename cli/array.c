/* Sequences of rows of numbers: see array.h. */
#include "array.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "csv.h"
#include "npy.h"
#include "output.h"

bool cli_input_open(const char *path, cli_input *in) {
    struct stat st;
    memset(in, 0, sizeof *in);
    in->name = path;
    if (strcmp(path, "-") == 0) {
        in->name = "standard input";
        in->stream = stdin;
    } else {
        in->stream = fopen(path, "re");
    }
    if (!in->stream) {
        cli_error("%s: %s", path, strerror(errno));
        return false;
    }
    if (fstat(fileno(in->stream), &st) == 0 && S_ISDIR(st.st_mode)) {
        cli_error("%s: a folder, not a file", in->name);
        cli_input_close(in);
        return false;
    }
    return true;
}

bool cli_input_look(cli_input *in) {
    /* \x93NUMPY: no text begins with that byte. */
    errno = 0;
    int first = getc(in->stream);
    if (first == EOF) {
        int why = errno;
        cli_error("%s: %s", in->name, ferror(in->stream) && why ? strerror(why) : "empty");
        return false;
    }
    ungetc(first, in->stream);
    in->npy = first == 0x93;
    return true;
}

void cli_input_close(cli_input *in) {
    if (in->stream && in->stream != stdin)
        fclose(in->stream);
    in->stream = NULL;
}

bool cli_array_read(cli_input *in, bool doubles, cli_array *out) {
    if (in->npy)
        return cli_npy_read(in->stream, in->name, doubles, out);
    return cli_csv_read(in->stream, in->name, doubles, out);
}

bool cli_array_read_path(const char *path, bool doubles, cli_array *out) {
    cli_input in;
    memset(out, 0, sizeof *out);
    if (!cli_input_open(path, &in))
        return false;
    bool good = cli_input_look(&in) && cli_array_read(&in, doubles, out);
    cli_input_close(&in);
    return good;
}

void cli_array_free(cli_array *a) {
    free(a->f);
    free(a->d);
    memset(a, 0, sizeof *a);
}

const char *cli_array_shape(const cli_array *a) {
    static char buffers[2][80];
    static int turn;
    char *text = buffers[turn++ & 1];
    unsigned long long s = a->sequences, t = a->steps, c = a->columns;
    if (a->rank == 3)
        snprintf(text, sizeof buffers[0], "[%llu, %llu, %llu]", s, t, c);
    else
        snprintf(text, sizeof buffers[0], "[%llu, %llu]", t, c);
    return text;
}

bool cli_product(uint64_t a, uint64_t b, uint64_t c, size_t *out) {
    const uint64_t most = SIZE_MAX / 8;
    if (a > most || b > most || c > most)
        return false;
    if (a && b > most / a)
        return false;
    if (a * b != 0 && c > most / (a * b))
        return false;
    *out = (size_t)(a * b * c);
    return true;
}

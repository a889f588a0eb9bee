/* NumPy's .npy files: see npy.h. The format is NEP 1's: "\x93NUMPY", two bytes of version, the header's length (2
 * bytes little-endian in version 1, else 4), the header (a Python dictionary with exactly the keys descr,
 * fortran_order and shape, blanks to fill), the data. */
#include "npy.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "output.h"

enum { HEADER_MOST = 65536, RANK_MOST = 3 };

typedef struct {
    int bytes; /* of an element: 4 or 8 */
    bool big;  /* most significant byte first */
    bool fortran;
    int rank;
    uint64_t shape[RANK_MOST];
} header;

static bool refuse(const char *name, const char *why) {
    cli_error("%s: %s", name, why);
    return false;
}

static void skip(const char **at) {
    while (**at == ' ' || **at == '\t' || **at == '\n' || **at == '\r')
        ++*at;
}

static bool character(const char **at, char c) {
    skip(at);
    if (**at != c)
        return false;
    ++*at;
    return true;
}

/* A quoted string without escapes. */
static bool string(const char **at, char *out, size_t room) {
    skip(at);
    char quote = **at;
    if (quote != '\'' && quote != '"')
        return false;
    const char *end = strchr(*at + 1, quote);
    if (!end || (size_t)(end - *at - 1) >= room)
        return false;
    size_t n = (size_t)(end - *at - 1);
    memcpy(out, *at + 1, n);
    out[n] = 0;
    *at = end + 1;
    return strchr(out, '\\') == NULL;
}

static bool parse_descr(const char *name, const char **at, header *h) {
    char type[16];
    skip(at);
    if (**at == '[')
        return refuse(name, "the elements are records; float32 ('<f4') or float64 ('<f8') is needed");
    if (!string(at, type, sizeof type))
        return refuse(name, "the .npy header's descr cannot be read");
    const char *kind = strchr("<>=|", type[0]) && type[0] ? type + 1 : type;
    if (strcmp(kind, "f4") != 0 && strcmp(kind, "f8") != 0) {
        cli_error("%s: the elements are '%s'; float32 ('<f4') or float64 ('<f8') is needed", name, type);
        return false;
    }
    h->bytes = kind[1] - '0';
    h->big = type[0] == '>';
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    h->big = type[0] != '<';
#endif
    return true;
}

static bool parse_shape(const char *name, const char **at, header *h) {
    if (!character(at, '('))
        return refuse(name, "the .npy header's shape cannot be read");
    uint64_t all[RANK_MOST + 1];
    int rank = 0;
    while (!character(at, ')')) {
        skip(at);
        char *end;
        errno = 0;
        if (**at < '0' || **at > '9')
            return refuse(name, "the .npy header's shape cannot be read");
        unsigned long long n = strtoull(*at, &end, 10);
        if (errno == ERANGE)
            return refuse(name, "the .npy header's shape has a number that is too large");
        *at = end + (*end == 'L'); /* Python 2 wrote 3L */
        if (rank == RANK_MOST)
            return refuse(name, "the array has more than 3 dimensions; [T, input] or [streams, T, input] is needed");
        all[rank++] = n;
        if (!character(at, ',')) {
            if (!character(at, ')') || rank < 2) /* (3) is a number, not a shape */
                return refuse(name, "the .npy header's shape cannot be read");
            break;
        }
    }
    memcpy(h->shape, all, (size_t)rank * sizeof all[0]);
    h->rank = rank;
    return true;
}

static bool parse_header(const char *name, const char *at, header *h) {
    bool seen[3] = {false, false, false};
    static const char *const keys[3] = {"descr", "fortran_order", "shape"};
    if (!character(&at, '{'))
        return refuse(name, "the .npy header is not a dictionary");
    while (!character(&at, '}')) {
        char key[32];
        int k = 0;
        if (!string(&at, key, sizeof key) || !character(&at, ':'))
            return refuse(name, "the .npy header cannot be read");
        while (k < 3 && strcmp(key, keys[k]) != 0)
            k++;
        if (k == 3 || seen[k]) {
            cli_error("%s: the .npy header has the key '%s'%s", name, key, k == 3 ? ", which is unknown" : " twice");
            return false;
        }
        seen[k] = true;
        if (k == 0 && !parse_descr(name, &at, h))
            return false;
        if (k == 1) {
            skip(&at);
            h->fortran = strncmp(at, "True", 4) == 0;
            if (!h->fortran && strncmp(at, "False", 5) != 0)
                return refuse(name, "the .npy header's fortran_order is neither True nor False");
            at += h->fortran ? 4 : 5;
        }
        if (k == 2 && !parse_shape(name, &at, h))
            return false;
        if (!character(&at, ',')) {
            if (!character(&at, '}'))
                return refuse(name, "the .npy header cannot be read");
            break;
        }
    }
    skip(&at);
    if (*at)
        return refuse(name, "the .npy header has something after its dictionary");
    for (int k = 0; k < 3; k++)
        if (!seen[k]) {
            cli_error("%s: the .npy header lacks '%s'", name, keys[k]);
            return false;
        }
    return true;
}

static bool read_header(FILE *stream, const char *name, header *h) {
    unsigned char start[12];
    if (fread(start, 1, 10, stream) != 10 || memcmp(start, "\x93NUMPY", 6) != 0)
        return refuse(name, "truncated, or not an .npy file: its first bytes are wrong");
    if (start[6] < 1 || start[6] > 3 || start[7] != 0) {
        cli_error("%s: .npy version %d.%d is unknown; 1.0, 2.0 and 3.0 are read", name, start[6], start[7]);
        return false;
    }
    size_t n = start[8] | (size_t)start[9] << 8;
    if (start[6] > 1) {
        if (fread(start + 10, 1, 2, stream) != 2)
            return refuse(name, "truncated in the .npy header");
        n |= (size_t)start[10] << 16 | (size_t)start[11] << 24;
    }
    if (n > HEADER_MOST) {
        cli_error("%s: the .npy header claims %zu bytes; at most %d are read", name, n, HEADER_MOST);
        return false;
    }
    char *text = malloc(n + 1);
    if (!text)
        return refuse(name, "no memory for the .npy header");
    bool good = fread(text, 1, n, stream) == n;
    if (!good)
        refuse(name, "truncated in the .npy header");
    text[n] = 0;
    if (good && strlen(text) != n)
        good = refuse(name, "the .npy header has a zero byte in it");
    good = good && parse_header(name, text, h);
    free(text);
    return good;
}

/* Reads `bytes` bytes and makes sure that nothing follows. Grows as the bytes come, so that a header that promises
 * much and brings little costs little. */
static unsigned char *read_data(FILE *stream, const char *name, size_t bytes) {
    size_t room = 0, have = 0;
    unsigned char *data = NULL;
    while (have < bytes) {
        if (have == room) {
            size_t more = room ? 2 * room : (size_t)1 << 20;
            more = more > bytes || more < room ? bytes : more;
            unsigned char *larger = realloc(data, more);
            if (!larger) {
                cli_error("%s: no memory for %zu bytes", name, more);
                free(data);
                return NULL;
            }
            data = larger;
            room = more;
        }
        size_t n = fread(data + have, 1, room - have, stream);
        have += n;
        if (n == 0) {
            if (ferror(stream))
                cli_error("%s: %s", name, strerror(errno));
            else
                cli_error("%s: truncated: the shape needs %zu bytes of data, and %zu are there", name, bytes, have);
            free(data);
            return NULL;
        }
    }
    if (getc(stream) != EOF) {
        cli_error("%s: bytes follow the %zu bytes of data that the shape needs", name, bytes);
        free(data);
        return NULL;
    }
    return data;
}

static double element(const unsigned char *p, const header *h) {
    uint64_t bits = 0;
    for (int i = 0; i < h->bytes; i++)
        bits |= (uint64_t)p[h->big ? h->bytes - 1 - i : i] << 8 * i;
    if (h->bytes == 8) {
        double v;
        memcpy(&v, &bits, 8);
        return v;
    }
    uint32_t low = (uint32_t)bits;
    float v;
    memcpy(&v, &low, 4);
    return (double)v;
}

static bool convert(const char *name, const unsigned char *data, const header *h, cli_array *out) {
    size_t at = 0;
    for (uint64_t i = 0; i < out->sequences; i++)
        for (uint64_t j = 0; j < out->steps; j++)
            for (uint64_t k = 0; k < out->columns; k++, at++) {
                size_t from = h->fortran ? (size_t)(i + out->sequences * (j + out->steps * k)) : at;
                double v = element(data + from * (size_t)h->bytes, h);
                if (!isfinite(v) || (out->f && !isfinite((float)v))) {
                    char place[128];
                    if (out->rank == 3)
                        snprintf(place, sizeof place, "[%llu, %llu, %llu]: stream %llu, ", (unsigned long long)i,
                                 (unsigned long long)j, (unsigned long long)k, (unsigned long long)i);
                    else
                        snprintf(place, sizeof place, "[%llu, %llu]: ", (unsigned long long)j, (unsigned long long)k);
                    cli_error("%s: %srow %llu, column %llu (counted from 0) is %g, which is not a finite %s", name,
                              place, (unsigned long long)j, (unsigned long long)k, v, out->f ? "float32" : "number");
                    return false;
                }
                if (out->f)
                    out->f[at] = (float)v;
                else
                    out->d[at] = v;
            }
    return true;
}

bool cli_npy_read(FILE *stream, const char *name, bool doubles, cli_array *out) {
    header h = {0};
    size_t count;
    memset(out, 0, sizeof *out);
    if (!read_header(stream, name, &h))
        return false;
    if (h.rank < 2) {
        cli_error("%s: the array has %d dimension%s; [T, input] or [streams, T, input] is needed", name, h.rank,
                  h.rank == 1 ? "" : "s");
        return false;
    }
    out->rank = h.rank;
    out->sequences = h.rank == 3 ? h.shape[0] : 1;
    out->steps = h.shape[h.rank - 2];
    out->columns = h.shape[h.rank - 1];
    if (!cli_product(out->sequences, out->steps, out->columns, &count))
        return refuse(name, "the shape is larger than memory can be");
    if (count == 0) {
        cli_error("%s: the shape %s has no values", name, cli_array_shape(out));
        return false;
    }
    unsigned char *data = read_data(stream, name, count * (size_t)h.bytes);
    if (!data)
        return false;
    if (doubles)
        out->d = malloc(count * sizeof(double));
    else
        out->f = malloc(count * sizeof(float));
    bool good = out->d || out->f;
    if (!good)
        cli_error("%s: no memory for %zu numbers", name, count);
    good = good && convert(name, data, &h, out);
    free(data);
    if (!good)
        cli_array_free(out);
    return good;
}

void cli_npy_write(FILE *stream, int rank, uint64_t sequences, uint64_t steps, uint64_t columns, const float *values) {
    cli_array a = {.rank = rank, .sequences = sequences, .steps = steps, .columns = columns};
    char text[256];
    /* "[2, 3]" becomes "(2, 3)"; magic, version, length and text together are a multiple of 64, the last byte \n. */
    int n = snprintf(text, sizeof text, "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }", cli_array_shape(&a));
    *strchr(text, '[') = '(';
    *strchr(text, ']') = ')';
    int total = (10 + n + 1 + 63) / 64 * 64;
    const unsigned char start[10] = {
        0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)(total - 10), (unsigned char)((total - 10) >> 8)};
    fwrite(start, 1, sizeof start, stream);
    fprintf(stream, "%s%*s\n", text, total - 10 - n - 1, "");
    for (uint64_t i = 0; i < sequences * steps * columns; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], 4);
        const unsigned char bytes[4] = {(unsigned char)bits, (unsigned char)(bits >> 8), (unsigned char)(bits >> 16),
                                        (unsigned char)(bits >> 24)};
        fwrite(bytes, 1, 4, stream);
    }
}

/* Reads .npy files of little-endian float32 or float64 in C order, whole: for tests, which trust their own files. */
#ifndef TESTS_SUPPORT_NPY_H
#define TESTS_SUPPORT_NPY_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int rank;          /* 1 to 4 */
    uint64_t shape[4]; /* 1 beyond the rank */
    size_t count;      /* elements */
    float *f32;        /* whichever the file holds; the other is NULL. From malloc */
    double *f64;
} npy;

static inline void npy_free(npy *a) {
    free(a->f32);
    free(a->f64);
    memset(a, 0, sizeof *a);
}

/* 0, or -1 with a line on stderr. */
static inline int npy_read(const char *path, npy *a) {
    unsigned char start[12];
    char header[512];
    size_t length = 0;
    memset(a, 0, sizeof *a);
    FILE *f = fopen(path, "rb");
    if (!f) {
        fprintf(stderr, "%s: cannot be opened\n", path);
        return -1;
    }
    const char *wrong = "not a .npy file";
    if (fread(start, 1, 10, f) == 10 && memcmp(start, "\x93NUMPY", 6) == 0 && start[6] == 1)
        length = (size_t)start[8] | (size_t)start[9] << 8;
    if (!length || length >= sizeof header || fread(header, 1, length, f) != length)
        goto bad;
    header[length] = 0;
    wrong = "neither float32 nor float64 in C order";
    int width = strstr(header, "'<f4'") ? 4 : strstr(header, "'<f8'") ? 8 : 0;
    if (!width || !strstr(header, "'fortran_order': False"))
        goto bad;
    wrong = "bad shape";
    const char *shape = strstr(header, "'shape': (");
    if (!shape)
        goto bad;
    a->count = 1;
    a->shape[0] = a->shape[1] = a->shape[2] = a->shape[3] = 1;
    for (shape += strlen("'shape': ("); *shape >= '0' && *shape <= '9' && a->rank < 4; a->rank++) {
        char *end;
        a->shape[a->rank] = strtoull(shape, &end, 10);
        a->count *= (size_t)a->shape[a->rank];
        shape = end + strspn(end, ", ");
    }
    if (*shape != ')' || !a->rank || !a->count)
        goto bad;
    wrong = "truncated";
    void *data = malloc(a->count * (size_t)width);
    a->f32 = width == 4 ? data : NULL;
    a->f64 = width == 8 ? data : NULL;
    if (!data || fread(data, (size_t)width, a->count, f) != a->count)
        goto bad;
    fclose(f);
    return 0;
bad:
    fprintf(stderr, "%s: %s\n", path, wrong);
    fclose(f);
    npy_free(a);
    return -1;
}

#endif

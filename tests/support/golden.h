/* One golden case after another: its model, input, and PyTorch's float64 answer (tests/golden/README.md). */
#ifndef TESTS_SUPPORT_GOLDEN_H
#define TESTS_SUPPORT_GOLDEN_H

#include "penstock.h"
#include "support/npy.h"

#ifndef PENSTOCK_GOLDEN_DIR /* tests run in the root of the sources */
#define PENSTOCK_GOLDEN_DIR "tests/golden"
#endif

typedef struct {
    char name[64];
    double rounding[3]; /* rms error that the rounding of bf16, w8a16, w8a8 alone makes */
    pst_model *model;
    npy x, y;
    uint64_t sequences, steps;
    uint32_t inputs, outputs;
} golden;

static inline void golden_free(golden *g) {
    pst_model_free(g->model);
    npy_free(&g->x);
    npy_free(&g->y);
    g->model = NULL;
}

static inline int golden_fail(const golden *g, const char *what) {
    fprintf(stderr, "golden %s: %s\n", g->name, what);
    return -1;
}

/* Reads the case called g->name; 0, or -1 with a line on stderr. */
static inline int golden_read(golden *g) {
    char path[512];
    pst_error e;
    pst_info info;
    PST_INIT(e);
    PST_INIT(info);
    snprintf(path, sizeof path, "%s/%s.safetensors", PENSTOCK_GOLDEN_DIR, g->name);
    if (pst_model_read(path, NULL, &g->model) || pst_model_get_info(g->model, &info)) {
        pst_last_error(&e);
        return golden_fail(g, e.message);
    }
    snprintf(path, sizeof path, "%s/%s.x.npy", PENSTOCK_GOLDEN_DIR, g->name);
    if (npy_read(path, &g->x))
        return -1;
    snprintf(path, sizeof path, "%s/%s.y.npy", PENSTOCK_GOLDEN_DIR, g->name);
    if (npy_read(path, &g->y))
        return -1;
    int three = g->x.rank == 3;
    if (!g->x.f32 || !g->y.f64 || g->x.rank < 2 || g->x.rank > 3 || g->y.rank != g->x.rank)
        return golden_fail(g, "x is not float32, y is not float64, or one has not 2 or 3 dimensions");
    g->sequences = three ? g->x.shape[0] : 1;
    g->steps = g->x.shape[three];
    g->inputs = (uint32_t)g->x.shape[1 + three];
    g->outputs = (uint32_t)g->y.shape[1 + three];
    if (g->y.shape[three] != g->steps || (three && g->y.shape[0] != g->sequences))
        return golden_fail(g, "x and y differ in steps or sequences");
    if (info.inputs != g->inputs || info.outputs != g->outputs)
        return golden_fail(g, "the model's inputs or outputs are not those of x and y");
    return 0;
}

/* Calls `test` with every case of cases.txt; stops at its first result other than 0. Returns the number of cases, or
 * -1: a case could not be read, or `test` said so. */
static inline int golden_each(int (*test)(const golden *g, void *user), void *user) {
    char line[512];
    int count = 0;
    FILE *f = fopen(PENSTOCK_GOLDEN_DIR "/cases.txt", "r");
    if (!f) {
        fprintf(stderr, "%s/cases.txt: cannot be opened\n", PENSTOCK_GOLDEN_DIR);
        return -1;
    }
    while (count >= 0 && fgets(line, sizeof line, f)) {
        golden g;
        memset(&g, 0, sizeof g);
        if (line[0] == '#')
            continue;
        if (sscanf(line, "%63s %lf %lf %lf", g.name, &g.rounding[0], &g.rounding[1], &g.rounding[2]) != 4) {
            count = golden_fail(&g, "its line in cases.txt lacks a figure");
            break;
        }
        count = golden_read(&g) || test(&g, user) ? -1 : count + 1;
        golden_free(&g);
    }
    fclose(f);
    return count;
}

#endif

/* Makes the files that the cases of tests/cli read, in the working folder: a small checkpoint, inputs in every form
 * that is read and many that are refused, and the expected answers, computed here in double by the equations of an
 * LSTM, so that `verify` is held against something that shares no code with Penstock. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUTS = 3, HIDDEN = 4, OUTPUTS = 2, STEPS = 40, GATES = 4 * HIDDEN };

static float w_ih[GATES][INPUTS], w_hh[GATES][HIDDEN], b_ih[GATES], b_hh[GATES], fc[OUTPUTS][HIDDEN], fc_b[OUTPUTS];
static float x[STEPS][INPUTS];
static double y[STEPS][OUTPUTS];

static FILE *create(const char *name) {
    FILE *f = fopen(name, "wb");
    if (!f) {
        perror(name);
        exit(1);
    }
    return f;
}

/* Numbers in [-1, 1), the same everywhere. */
static float draw(void) {
    static uint32_t state = 12345;
    state = state * 1664525u + 1013904223u;
    return (float)(int32_t)(state >> 8) / 8388608.0f - 1.0f;
}

static void fill(float *p, size_t n, float scale) {
    for (size_t i = 0; i < n; i++)
        p[i] = scale * draw();
}

static double sigmoid(double v) {
    return 1 / (1 + exp(-v));
}

/* Runs the model over rows [from, to) of x from a zero state. */
static void answer(int from, int to) {
    double h[HIDDEN] = {0}, c[HIDDEN] = {0};
    for (int t = from; t < to; t++) {
        double g[GATES];
        for (int r = 0; r < GATES; r++) {
            g[r] = (double)b_ih[r] + (double)b_hh[r];
            for (int k = 0; k < INPUTS; k++)
                g[r] += (double)w_ih[r][k] * (double)x[t][k];
            for (int k = 0; k < HIDDEN; k++)
                g[r] += (double)w_hh[r][k] * h[k];
        }
        for (int u = 0; u < HIDDEN; u++) {
            c[u] = sigmoid(g[HIDDEN + u]) * c[u] + sigmoid(g[u]) * tanh(g[2 * HIDDEN + u]);
            h[u] = sigmoid(g[3 * HIDDEN + u]) * tanh(c[u]);
        }
        for (int o = 0; o < OUTPUTS; o++) {
            y[t][o] = (double)fc_b[o];
            for (int u = 0; u < HIDDEN; u++)
                y[t][o] += (double)fc[o][u] * h[u];
        }
    }
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------ */

static const struct {
    const char *name, *shape;
    const float *data;
    size_t count;
} tensors[] = {
    {"lstm.weight_ih_l0", "[16,3]", &w_ih[0][0], GATES *INPUTS},
    {"lstm.weight_hh_l0", "[16,4]", &w_hh[0][0], GATES *HIDDEN},
    {"lstm.bias_ih_l0", "[16]", b_ih, GATES},
    {"lstm.bias_hh_l0", "[16]", b_hh, GATES},
    {"fc.weight", "[2,4]", &fc[0][0], OUTPUTS *HIDDEN},
    {"fc.bias", "[2]", fc_b, OUTPUTS},
};
enum { TENSORS = sizeof tensors / sizeof tensors[0] };

/* A .safetensors file of the model; every name begins with `prefix`, `extra` is one more tensor's name or NULL. */
static void write_checkpoint(const char *name, const char *prefix, const char *extra) {
    char header[2048] = "{";
    size_t at = 0;
    for (int i = 0; i < TENSORS; i++) {
        size_t used = strlen(header);
        snprintf(header + used, sizeof header - used,
                 "%s\"%s%s\":{\"dtype\":\"F32\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}", i ? "," : "", prefix,
                 tensors[i].name, tensors[i].shape, at, at + 4 * tensors[i].count);
        at += 4 * tensors[i].count;
    }
    if (extra) {
        size_t used = strlen(header);
        snprintf(header + used, sizeof header - used,
                 ",\"%s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[%zu,%zu]}", extra, at, at + 4);
    }
    strcat(header, "}");
    while (strlen(header) % 8)
        strcat(header, " ");
    FILE *f = create(name);
    uint64_t n = strlen(header);
    fwrite(&n, 8, 1, f);
    fwrite(header, 1, n, f);
    for (int i = 0; i < TENSORS; i++)
        fwrite(tensors[i].data, 4, tensors[i].count, f);
    if (extra)
        fwrite(fc_b, 4, 1, f);
    fclose(f);
}

/* ---- .npy ------------------------------------------------------------------------------------------------------- */

/* Magic, version and header alone; `claim` is the header's length if not 0. */
static FILE *begin_npy(const char *name, int version, const char *header, uint32_t claim) {
    FILE *f = create(name);
    size_t n = claim ? claim : strlen(header);
    unsigned char start[12] = {0x93, 'N', 'U', 'M', 'P', 'Y', (unsigned char)version, 0};
    for (int i = 0; i < 4; i++)
        start[8 + i] = (unsigned char)(n >> 8 * i);
    fwrite(start, 1, version == 1 ? 10 : 12, f);
    fputs(header, f);
    return f;
}

static void write_number(FILE *f, double v, int bytes, int big) {
    unsigned char raw[8];
    float narrow = (float)v;
    if (bytes == 4)
        memcpy(raw, &narrow, 4);
    else
        memcpy(raw, &v, 8);
    for (int i = 0; i < bytes; i++)
        fputc(raw[big ? bytes - 1 - i : i], f);
}

static void write_x(const char *name, int version, const char *header, int bytes, int big) {
    FILE *f = begin_npy(name, version, header, 0);
    for (int i = 0; i < STEPS * INPUTS; i++)
        write_number(f, (double)(&x[0][0])[i], bytes, big);
    fclose(f);
}

static void write_x_fortran(const char *name) {
    FILE *f = begin_npy(name, 1, "{'descr': '<f4', 'fortran_order': True, 'shape': (40, 3), }\n", 0);
    for (int k = 0; k < INPUTS; k++)
        for (int t = 0; t < STEPS; t++)
            write_number(f, (double)x[t][k], 4, 0);
    fclose(f);
}

static void write_x3_fortran(const char *name) {
    FILE *f = begin_npy(name, 1, "{'descr': '<f8', 'fortran_order': True, 'shape': (2, 20, 3), }\n", 0);
    for (int k = 0; k < INPUTS; k++)
        for (int t = 0; t < STEPS / 2; t++)
            for (int s = 0; s < 2; s++)
                write_number(f, (double)x[s * STEPS / 2 + t][k], 8, 0);
    fclose(f);
}

static void write_y(const char *name, const char *header, int bytes) {
    FILE *f = begin_npy(name, 1, header, 0);
    for (int i = 0; i < STEPS * OUTPUTS; i++)
        write_number(f, (&y[0][0])[i], bytes, 0);
    fclose(f);
}

/* A one-row array whose middle number is v. */
static void write_row(const char *name, const char *header, double v, int bytes) {
    FILE *f = begin_npy(name, 1, header, 0);
    write_number(f, 0.5, bytes, 0);
    write_number(f, v, bytes, 0);
    write_number(f, 0.25, bytes, 0);
    fclose(f);
}

static void write_refused(void) {
    static const struct {
        const char *name, *header;
    } bad[] = {
        {"int.npy", "{'descr': '<i8', 'fortran_order': False, 'shape': (40, 3), }"},
        {"half.npy", "{'descr': '<f2', 'fortran_order': False, 'shape': (40, 3), }"},
        {"records.npy", "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (40, 3), }"},
        {"rank0.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (), }"},
        {"rank1.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }"},
        {"rank4.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 3), }"},
        {"no_steps.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }"},
        {"giant.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }"},
        {"large.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, 3), }"},
        {"overflow.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999, 3), }"},
        {"negative.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3), }"},
        {"twice.npy", "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (40, 3), }"},
        {"unknown_key.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (40, 3), 'more': 1}"},
        {"no_order.npy", "{'descr': '<f4', 'shape': (40, 3), }"},
        {"order.npy", "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (40, 3), }"},
        {"after.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (40, 3), } + evil"},
        {"open.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (40, 3"},
        {"quote.npy", "{'descr': '<f4"},
        {"no_dictionary.npy", "40, 3"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        fclose(begin_npy(bad[i].name, 1, bad[i].header, 0));
    static const char good[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (40, 3), }";
    fclose(begin_npy("version9.npy", 9, good, 0));
    fclose(begin_npy("long_header.npy", 2, good, 0x7fffffff));
    fclose(begin_npy("short_header.npy", 1, good, 4000));
    write_row("nan.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }", (double)NAN, 4);
    write_row("nan3.npy", "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1, 3), }", (double)NAN, 8);
    write_row("infinite.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }", -(double)INFINITY, 4);
    write_row("beyond_float.npy", "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 3), }", 1e300, 8);
    write_row("beyond_limit.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }", 1e30, 4);
    write_row("truncated.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 1, 4);
    write_row("trailing.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }", 1, 4);
    write_row("wide.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 1), }", 1, 4);
}

int main(void) {
    fill(&w_ih[0][0], GATES * INPUTS, 0.7f);
    fill(&w_hh[0][0], GATES * HIDDEN, 0.7f);
    fill(b_ih, GATES, 0.3f);
    fill(b_hh, GATES, 0.3f);
    fill(&fc[0][0], OUTPUTS * HIDDEN, 1.0f);
    fill(fc_b, OUTPUTS, 0.5f);
    fill(&x[0][0], STEPS * INPUTS, 2.0f);

    write_checkpoint("tiny.safetensors", "", NULL);
    write_checkpoint("prefixed.safetensors", "net.", NULL);
    write_checkpoint("leftover.safetensors", "", "spare.weight");

    write_x("x.npy", 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (40, 3), }\n", 4, 0);
    write_x("x_f8.npy", 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (40, 3), }\n", 8, 0);
    write_x("x_big.npy", 1, "{'descr': '>f4', 'fortran_order': False, 'shape': (40, 3), }\n", 4, 1);
    write_x("x_big_f8.npy", 1, "{'descr': '>f8', 'fortran_order': False, 'shape': (40, 3), }\n", 8, 1);
    write_x("x_v2.npy", 2, "{\"shape\": (40L,3L), \"fortran_order\": False, \"descr\": \"<f4\"}\n", 4, 0);
    write_x("x_v3.npy", 3, "{'descr': '<f4', 'fortran_order': False, 'shape': (40, 3), }\n", 4, 0);
    write_x("x3.npy", 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 20, 3), }\n", 4, 0);
    write_x_fortran("x_fortran.npy");
    write_x3_fortran("x3_fortran.npy");
    write_refused();

    FILE *f = create("x.csv");
    for (int t = 0; t < STEPS; t++)
        fprintf(f, "%.9g,%.9g,%.9g\n", (double)x[t][0], (double)x[t][1], (double)x[t][2]);
    fclose(f);

    answer(0, STEPS);
    write_y("y.npy", "{'descr': '<f8', 'fortran_order': False, 'shape': (40, 2), }\n", 8);
    write_y("y_f4.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (40, 2), }\n", 4);
    f = create("y.csv");
    for (int t = 0; t < STEPS; t++)
        fprintf(f, "%.17g,%.17g\n", y[t][0], y[t][1]);
    fclose(f);
    answer(0, STEPS / 2);
    answer(STEPS / 2, STEPS);
    write_y("y3.npy", "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 20, 2), }\n", 8);
    for (int t = 0; t < STEPS; t++)
        y[t][0] = y[t][1] = 0.25;
    write_y("constant.npy", "{'descr': '<f8', 'fortran_order': False, 'shape': (40, 2), }\n", 8);
    y[7][1] = NAN;
    write_y("y_nan.npy", "{'descr': '<f8', 'fortran_order': False, 'shape': (40, 2), }\n", 8);

    w_hh[5][1] = NAN;
    write_checkpoint("nan.safetensors", "", NULL);
    return 0;
}

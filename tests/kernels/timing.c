/* Timing of the kernels: latency of the dependent chain, bytes per second beside a bare read of the same bytes.
 * Printed, never judged. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness.h"

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median over 15 repeats of the time of one call, `calls` calls in a row. */
#define MEDIAN_NS(calls, call)                                                                                         \
    double took[15];                                                                                                   \
    for (int repeat = 0; repeat < 15; repeat++) {                                                                      \
        double begin = now_ns();                                                                                       \
        for (int i = 0; i < (calls); i++) {                                                                            \
            call;                                                                                                      \
        }                                                                                                              \
        took[repeat] = (now_ns() - begin) / (calls);                                                                   \
    }                                                                                                                  \
    qsort(took, 15, sizeof took[0], ascending)

static double time_read_of(const void *bytes, size_t n) {
#if PSTI_X86
    psti_read_fn *read = psti_build_runs_avx512() ? psti_avx512_read_f32
                         : psti_build_runs_avx2() ? psti_avx2_read_f32
                                                  : psti_scalar_read_f32;
#else
    psti_read_fn *read = psti_scalar_read_f32;
#endif
    MEDIAN_NS(50, (void)read(bytes, n));
    return took[7];
}

static double weight_bytes(const row *r) {
    return psti_encodings[r->encoding].bits / 8.0;
}

/* A product of about 256 KB (beyond L1), and one of a single block whose operand is its own output: the chain. */
static void time_layer(const row *r, uint32_t gates) {
    psti_lstm_fn *kernel = (psti_lstm_fn *)r->function;
    product p;
    uint32_t inputs = 256;
    uint32_t units = (uint32_t)(262144 / weight_bytes(r) / inputs / gates);
    product_make(&p, r, units, inputs, gates);
    product_outputs(&p, gates == PSTI_GATES);
    size_t bytes = psti_tiles_bytes(&p.shape, r->encoding);
    double read = time_read_of(p.adapted.tiles, bytes), large;
    {
        MEDIAN_NS(20, kernel(&p.adapted));
        large = took[7];
    }
    product_make(&p, r, 16, 16, gates);
    product_outputs(&p, gates == PSTI_GATES);
    psti_sink *out = &p.adapted.out;
    memset(out, 0, sizeof *out);
    void *code = guard_take(4 * PSTI_RUN), *low = guard_take(PSTI_RUN);
    memset(code, 0, 4 * PSTI_RUN);
    memset(low, 0, PSTI_RUN);
    p.adapted.x.code = code;
    int operand = psti_encodings[r->encoding].operand;
    p.adapted.x.low = operand == PSTI_OPERAND_A16 ? low : NULL;
    out->a16_multiplier = 32512;
    out->a8_multiplier = 127;
    out->f32 = operand == PSTI_OPERAND_F32 ? code : NULL;
    out->bf16 = operand == PSTI_OPERAND_BF16 ? code : NULL;
    out->a8 = operand == PSTI_OPERAND_A8 ? code : NULL;
    out->a16_high = operand == PSTI_OPERAND_A16 ? code : NULL;
    out->a16_low = operand == PSTI_OPERAND_A16 ? low : NULL;
    MEDIAN_NS(1000, kernel(&p.adapted));
    printf("  %-32s chain %7.1f ns   %6.1f GB/s of %6.1f read\n", r->name, took[7], (double)bytes / large,
           (double)bytes / read);
    guard_free();
}

void time_lstm(const row *r) {
    time_layer(r, PSTI_GATES);
}

void time_linear(const row *r) {
    time_layer(r, 1);
}

/* The first half of the inputs of each block. */
void time_ahead(const row *r) {
    psti_ahead_fn *kernel = (psti_ahead_fn *)r->function;
    product p;
    product_make(&p, r, (uint32_t)(131072 / weight_bytes(r) / 256), 256, PSTI_GATES);
    size_t bytes = psti_tiles_bytes(&p.shape, r->encoding) / 2;
    psti_layer_args *a = &p.adapted;
    a->ahead = (psti_ahead){.to = 128, .blocks = p.shape.wide};
    a->ahead.partial = guard_take(p.shape.wide * sizeof *a->ahead.partial);
    double read = time_read_of(p.adapted.tiles, bytes);
    MEDIAN_NS(20, for (uint32_t b = 0; b < p.shape.wide; b++) kernel(a, b););
    printf("  %-32s block %7.1f ns   %6.1f GB/s of %6.1f read\n", r->name, took[7] / p.shape.wide,
           (double)bytes / took[7], (double)bytes / read);
    guard_free();
}

void time_settle(const row *r) {
    psti_settle_fn *kernel = (psti_settle_fn *)r->function;
    product p;
    product_make(&p, r, (uint32_t)(65536 / weight_bytes(r) / 256), 256, PSTI_GATES);
    size_t bytes = psti_tiles_bytes(&p.shape, r->encoding);
    float *bracket = guard_take((size_t)PSTI_LANES * p.vectors * sizeof *bracket);
    psti_partial *partial = guard_take(sizeof *partial);
    double read = time_read_of(p.adapted.tiles, bytes);
    MEDIAN_NS(
        20, for (uint32_t b = 0; b < p.shape.wide; b++) {
            psti_settle_args a = product_settle(&p.adapted, bracket, b, partial);
            kernel(&a);
        });
    printf("  %-32s block %7.1f ns   %6.1f GB/s of %6.1f read\n", r->name, took[7] / p.shape.wide,
           (double)bytes / took[7], (double)bytes / read);
    guard_free();
}

/* Elementwise kernels: 256 values. */
static void print_each(const row *r, double ns) {
    printf("  %-32s %7.1f ns for 256 values\n", r->name, ns);
    guard_free();
}

static float *values(void) {
    float *v = guard_take(256 * sizeof *v);
    for (int i = 0; i < 256; i++)
        v[i] = (float)psti_random_normal(&harness_random);
    return v;
}

void time_mend(const row *r) {
    psti_shape shape = psti_shape_of(256, 4, PSTI_GATES);
    psti_mend_args a = {.shape = &shape, .rho = 0.5f, .last = shape.wide};
    float *all = guard_take(sizeof(float) * 6 * 1024);
    memset(all, 0, sizeof(float) * 6 * 1024);
    a.rest = all;
    a.rest_before = all + 1024;
    a.gates = all + 2048;
    a.bracket = all + 3072;
    a.c_before = all + 4096;
    a.c = all + 5120;
    MEDIAN_NS(100, ((psti_mend_fn *)r->function)(&a));
    print_each(r, took[7]);
}

void time_adapt(const row *r) {
    unsigned char *tiles = guard_take(262144);
    MEDIAN_NS(20, ((psti_adapt_fn *)r->function)(tiles, 262144));
    printf("  %-32s %7.1f GB/s\n", r->name, 262144 / took[7]);
    guard_free();
}

void time_scan(const row *r) {
    float *v = values();
    MEDIAN_NS(1000, (void)((psti_scan_fn *)r->function)(v, 256));
    print_each(r, took[7]);
}

void time_encode(const row *r) {
    float *v = values();
    psti_sink out = {.a16_high = guard_take(256), .a16_low = guard_take(256), .a16_multiplier = 32512};
    MEDIAN_NS(1000, ((psti_encode_fn *)r->function)(v, 256, &out));
    print_each(r, took[7]);
}

void time_activation(const row *r) {
    float *v = values();
    MEDIAN_NS(1000, ((psti_activation_fn *)r->function)(v, 256, PSTI_FUNCTION_tanh, 0, 0));
    print_each(r, took[7]);
}

void time_softmax(const row *r) {
    float *v = values();
    MEDIAN_NS(1000, ((psti_softmax_fn *)r->function)(v, 256));
    print_each(r, took[7]);
}

void time_read(const row *r) {
    uint64_t *words = guard_take(262144);
    memset(words, 1, 262144);
    MEDIAN_NS(50, (void)((psti_read_fn *)r->function)(words, 262144));
    printf("  %-32s %7.1f GB/s at 256 KB\n", r->name, 262144 / took[7]);
    guard_free();
}

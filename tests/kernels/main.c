/* Tests and times every row of kernels.def that this machine runs:
 *     harness [--seed N] [--rounds N] [--time] [NAME-PART]
 * PENSTOCK_ISA caps the level. The last line is "N passed, N failed, N skipped". */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cpu/levels.h"
#include "harness.h"
#if PSTI_X86
#include <xmmintrin.h>
#endif

psti_random harness_random;

uint32_t random_below(uint32_t n) {
    return (uint32_t)(psti_random_next(&harness_random) >> 33) % n;
}

float random_value(void) {
    double v = psti_random_normal(&harness_random);
    /* exactly a bound, or next to it; ties of bf16's rounding */
    static const float edges[] = {0x1p-80f, 0x1p-48f, 0x1p-40f, 0x1.01p0f, 0x1.03p0f, 0x1.01p-48f, 1.0f, 0x1p60f};
    if (random_below(24) == 0) {
        uint32_t bits = psti_bits(edges[random_below(sizeof edges / sizeof edges[0])]) + random_below(3) - 1;
        return psti_float(bits | random_below(2) << 31);
    }
    switch (random_below(16)) {
    case 0:
        return 0.0f;
    case 1:
        return -0.0f;
    case 2: /* around the bounds below which values become 0 */
        return (float)ldexp(v, -20 - (int)random_below(70));
    case 3:
        return (float)ldexp(v, (int)random_below(20));
    default:
        return (float)v;
    }
}

#if PSTI_X86
unsigned flush_on(void) {
    unsigned was = _mm_getcsr();
    _mm_setcsr(was | 0x8040); /* FTZ, DAZ */
    return was;
}

void flush_restore(unsigned was) {
    _mm_setcsr(was);
}
#elif defined(__aarch64__)
unsigned flush_on(void) {
    uint64_t was;
    __asm__ volatile("mrs %0, fpcr" : "=r"(was));
    __asm__ volatile("msr fpcr, %0" : : "r"(was | 1u << 24)); /* FZ */
    return (unsigned)was;
}

void flush_restore(unsigned was) {
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)was));
}
#else
unsigned flush_on(void) {
    return 0;
}

void flush_restore(unsigned was) {
    (void)was;
}
#endif

static int passed, failed, skipped;

static void verdict(const row *r, const char *wrong, const char *what) {
    if (wrong) {
        printf("FAIL %s%s: %s\n", r->name, what, wrong);
        failed++;
    } else {
        passed++;
    }
}

typedef const char *check_fn(const row *, int);
typedef const char *extremes_fn(const row *);

static void test_row(const row *r, check_fn *check, extremes_fn *extremes, int rounds) {
    const char *wrong = NULL;
    for (int i = 0; i < rounds && !wrong; i++) {
        wrong = check(r, i % 2);
        if (!wrong && guard_check())
            wrong = "wrote before the start of an array";
        guard_free();
    }
    verdict(r, wrong, "");
    if (extremes && psti_encoding_scaled(r->encoding)) {
        verdict(r, extremes(r), " at extremes");
        guard_free();
    }
}

#define ENCODING_f32 PSTI_F32
#define ENCODING_bf16 PSTI_BF16
#define ENCODING_w8a16 PSTI_W8A16
#define ENCODING_w8a8 PSTI_W8A8
#define ENCODING_w4a16 PSTI_W4A16
#define ENCODING_w4a8 PSTI_W4A8
#define ENCODING_w6a16 PSTI_W6A16
#define ENCODING_w3a8 PSTI_W3A8
#define ENCODING_w2a8 PSTI_W2A8
#define ENCODING_w8 PSTI_W8A8
#define ADAPT_scalar psti_scalar_adapt_w8
#define ADAPT_avx2 psti_avx2_adapt_w8
#define ADAPT_avx2_vnni psti_avx2_vnni_adapt_w8
#define ADAPT_avx2_vnni_evex psti_avx2_vnni_evex_adapt_w8
#define ADAPT_avx512 psti_avx512_adapt_w8
#define ADAPT_avx512_vnni psti_avx512_vnni_adapt_w8
#define ADAPT_avx512_bf16 psti_avx512_vnni_adapt_w8
#define EXTREMES_lstm check_extremes_lstm
#define EXTREMES_linear check_extremes_linear
#define EXTREMES_ahead NULL
#define EXTREMES_settle check_extremes_settle
#define EXTREMES_mend NULL
#define EXTREMES_adapt NULL
#define EXTREMES_scan NULL
#define EXTREMES_encode NULL
#define EXTREMES_activation NULL
#define EXTREMES_softmax NULL
#define EXTREMES_read NULL

int main(int argc, char **argv) {
    uint64_t seed = (uint64_t)time(NULL);
    int rounds = 200, times = 0;
    const char *part = "";
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            seed = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            rounds = atoi(argv[++i]);
        else if (strcmp(argv[i], "--time") == 0)
            times = 1;
        else
            part = argv[i];
    }
    int cap;
    if (psti_level_choose(getenv("PENSTOCK_ISA"), &cap) != PST_OK) {
        fprintf(stderr, "PENSTOCK_ISA: no such level here\n");
        return 2;
    }
    printf("kernels: seed %llu, %d rounds, levels up to %s\n", (unsigned long long)seed, rounds, psti_level_names[cap]);
    psti_random_seed(&harness_random, seed);
#define PSTI_KERNEL(level, build, class, variant)                                                                      \
    {                                                                                                                  \
        row r = {#build " " #class "_" #variant,                                                                       \
                 ENCODING_##variant,                                                                                   \
                 ADAPT_##build,                                                                                        \
                 PSTI_LEVEL_##level,                                                                                   \
                 (void (*)(void))psti_##build##_##class##_##variant,                                                   \
                 (void (*)(void))psti_scalar_##class##_##variant};                                                     \
        if (!strstr(r.name, part)) {                                                                                   \
        } else if (PSTI_LEVEL_##level > cap || !psti_build_runs_##build()) {                                           \
            printf("SKIP %s: not on this machine, or above PENSTOCK_ISA\n", r.name);                                   \
            skipped++;                                                                                                 \
        } else {                                                                                                       \
            test_row(&r, check_##class, EXTREMES_##class, rounds);                                                     \
            if (times)                                                                                                 \
                time_##class(&r);                                                                                      \
        }                                                                                                              \
    }
#include "kernels/kernels.def"
#undef PSTI_KERNEL
    if (passed + failed + skipped == 0) {
        fprintf(stderr, "no kernel's name has \"%s\" in it\n", part);
        return 2;
    }
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed != 0;
}

/* Dot products of 4 inputs by VPDPBUSD on ymm: weights + 128 unsigned, digits signed, sums wrap. DPBUSD is the VEX
 * encoding (AVX-VNNI) unless a build has defined it. */
#include "kernels/avx2/vector_int.h"

#ifndef DPBUSD
#define DPBUSD _mm256_dpbusd_avx_epi32
#endif
#define QUAD_OFFSET 128

typedef struct {
    __m256i a, b;
} w8;
typedef __m256i quad;

static inline w8 w8_load(const unsigned char *w) {
    return (w8){_mm256_loadu_si256((const __m256i *)w), _mm256_loadu_si256((const __m256i *)(w + 32))};
}

static inline quad quad_load(const int8_t *d) {
    int32_t four;
    memcpy(&four, d, sizeof four);
    return _mm256_set1_epi32(four);
}

static inline vi quad_dot(vi sum, w8 w, quad d) {
    return (vi){DPBUSD(sum.a, w.a, d), DPBUSD(sum.b, w.b, d)};
}

/* Operands are padded to 64 with zeros. */
static inline int32_t digit_sum(const int8_t *d, uint32_t n) {
    __m256i sum = _mm256_setzero_si256();
    for (uint32_t i = 0; i < n; i += 32)
        sum = DPBUSD(sum, _mm256_set1_epi8(1), _mm256_loadu_si256((const __m256i *)(d + i)));
    int32_t lanes[8], total = 0;
    _mm256_storeu_si256((__m256i *)lanes, sum);
    for (int i = 0; i < 8; i++)
        total += lanes[i];
    return total;
}

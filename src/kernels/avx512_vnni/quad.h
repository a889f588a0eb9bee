/* Dot products of 4 inputs by VPDPBUSD on zmm: weights + 128 unsigned, digits signed, sums wrap. */
#include "kernels/avx512/vector_int.h"

#define QUAD_OFFSET 128

typedef __m512i w8;
typedef __m512i quad;

static inline w8 w8_load(const unsigned char *w) {
    return _mm512_loadu_si512(w);
}

static inline quad quad_load(const int8_t *d) {
    int32_t four;
    memcpy(&four, d, sizeof four);
    return _mm512_set1_epi32(four);
}

static inline vi quad_dot(vi sum, w8 w, quad d) {
    return _mm512_dpbusd_epi32(sum, w, d);
}

/* Operands are padded to 64 with zeros. */
static inline int32_t digit_sum(const int8_t *d, uint32_t n) {
    __m512i sum = _mm512_setzero_si512();
    for (uint32_t i = 0; i < n; i += 64)
        sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(1), _mm512_loadu_si512(d + i));
    return _mm512_reduce_add_epi32(sum);
}

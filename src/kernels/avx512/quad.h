/* Dot products of 4 inputs without VNNI: widened to 16 bits, VPMADDWD (VPMADDUBSW would saturate). */
#include "kernels/avx512/vector_int.h"

#define QUAD_OFFSET 0

typedef struct {
    __m512i first, second;
} w8;

/* Four digits as two pairs of 16-bit integers, each in all lanes. */
typedef struct {
    __m512i first, second;
} quad;

static inline w8 w8_load(const unsigned char *w) {
    return (w8){_mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)w)),
                _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(w + 32)))};
}

static inline quad quad_load(const int8_t *d) {
    int32_t four;
    memcpy(&four, d, sizeof four);
    __m128i wide = _mm_cvtepi8_epi16(_mm_cvtsi32_si128(four));
    return (quad){_mm512_broadcastd_epi32(wide), _mm512_broadcastd_epi32(_mm_srli_epi64(wide, 32))};
}

static inline vi quad_dot(vi sum, w8 w, quad d) {
    sum = _mm512_add_epi32(sum, _mm512_madd_epi16(w.first, d.first));
    return _mm512_add_epi32(sum, _mm512_madd_epi16(w.second, d.second));
}

static inline int32_t digit_sum(const int8_t *d, uint32_t n) {
    (void)d;
    (void)n;
    return 0;
}

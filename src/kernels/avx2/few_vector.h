/* One word of weights of fewer than 8 bits, of 16 lanes, in two ymm registers. Shifts cross bytes: a mask follows. */
#include "kernels/avx2/vector_int.h"

typedef struct {
    __m256i a, b;
} few;

static inline few few_load(const unsigned char *w) {
    return (few){_mm256_loadu_si256((const __m256i *)w), _mm256_loadu_si256((const __m256i *)(w + 32))};
}
static inline few few_mask(few w, const int mask) {
    __m256i m = _mm256_set1_epi8((char)mask);
    return (few){_mm256_and_si256(w.a, m), _mm256_and_si256(w.b, m)};
}
static inline few few_right(few w, const int n) {
    return (few){_mm256_srli_epi32(w.a, n), _mm256_srli_epi32(w.b, n)};
}
static inline few few_left(few w, const int n) {
    return (few){_mm256_slli_epi32(w.a, n), _mm256_slli_epi32(w.b, n)};
}
static inline __m256i few_select8(__m256i m, __m256i a, __m256i b) {
    return _mm256_or_si256(_mm256_and_si256(m, a), _mm256_andnot_si256(m, b));
}
static inline few few_select(const int mask, few x, few y) {
    __m256i m = _mm256_set1_epi8((char)mask);
    return (few){few_select8(m, x.a, y.a), few_select8(m, x.b, y.b)};
}

typedef __m256i quad; /* 4 digits for all lanes */
typedef few few_sum;
typedef few few_times;

static inline quad quad_load(const int8_t *d) {
    int32_t four;
    memcpy(&four, d, sizeof four);
    return _mm256_set1_epi32(four);
}
static inline few_sum few_begin(int32_t all) {
    return (few_sum){_mm256_set1_epi32(all), _mm256_set1_epi32(all)};
}

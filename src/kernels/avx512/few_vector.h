/* One word of weights of fewer than 8 bits, of 16 lanes, in a zmm register. Shifts cross bytes: a mask follows. */
#include "kernels/avx512/vector_int.h"

typedef __m512i few;

/* Into a register, whatever is made of it: gcc would read it again for each mask, and a core has one such load a cycle.
 */
static inline few few_load(const unsigned char *w) {
    few word = _mm512_loadu_si512(w);
    __asm__("" : "+v"(word));
    return word;
}
static inline few few_mask(few w, const int mask) {
    return _mm512_and_si512(w, _mm512_set1_epi8((char)mask));
}
static inline few few_right(few w, const int n) {
    return _mm512_srli_epi32(w, (unsigned)n);
}
static inline few few_left(few w, const int n) {
    return _mm512_slli_epi32(w, (unsigned)n);
}
/* b comes first, as it is mostly a shifted word that nothing else needs: the mask there had to be copied each time. */
static inline few few_select(const int mask, few a, few b) {
    return _mm512_ternarylogic_epi32(b, a, _mm512_set1_epi8((char)mask), 0xd8);
}

typedef __m512i quad; /* 4 digits for all lanes */
typedef __m512i few_sum;
typedef __m512i few_times;

static inline quad quad_load(const int8_t *d) {
    int32_t four;
    memcpy(&four, d, sizeof four);
    return _mm512_set1_epi32(four);
}
static inline few_sum few_begin(int32_t all) {
    return _mm512_set1_epi32(all);
}

/* Products of 8-bit weights with 16-bit activations, undivided: a = 256 d1 + d0 costs half of what its two digits do.
 * Weights are widened to 16 bits by VPMOVSXBW, VPMADDWD multiplies them, and every sum is kept in two halves: of the
 * inputs 0 and 1 of each group, and of 2 and 3.
 *
 * The bits are those of docs/numerics.md. A half can't overflow within WORDS inputs. Nor do S1 and S0 reach 2^24 there,
 * so that their conversions are exact and fma((float)S1, 256, (float)S0) is 256 S1 + S0 rounded once: so is the sum of
 * the halves. An operand that is longer has S1 and S0 summed apart, with its digits as 16-bit numbers. */
#include "kernels/avx2/vector.h"

#define WORDS 1032 /* 127 * 128 * WORDS <= 2^24; 127 * 32640 * WORDS / 2 < 2^31 */

typedef struct {
    const int8_t *high, *low;
    float scale;
    uint32_t n;
    int16_t word[WORDS]; /* the operand, unless it is longer */
} sums_context;

static inline __m128i words_load4(const int8_t *digit) {
    int32_t four;
    memcpy(&four, digit, sizeof four);
    return _mm_cvtepi8_epi16(_mm_cvtsi32_si128(four));
}

/* word[i - from] = 256 high[i] + low[i], for i in [from, to). */
static inline void words_join(int16_t *word, const int8_t *high, const int8_t *low, uint32_t from, uint32_t to) {
    uint32_t i = from;
    for (; i + 16 <= to; i += 16, word += 16) {
        __m256i top = _mm256_slli_epi16(_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(high + i))), 8);
        __m256i bottom = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(low + i)));
        _mm256_storeu_si256((__m256i *)word, _mm256_add_epi16(top, bottom));
    }
    for (; i < to; i += PSTI_GROUP, word += PSTI_GROUP)
        _mm_storel_epi64((__m128i *)word,
                         _mm_add_epi16(_mm_slli_epi16(words_load4(high + i), 8), words_load4(low + i)));
}

/* word[i - from] = digit[i]. */
static inline void words_widen(int16_t *word, const int8_t *digit, uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; i += PSTI_GROUP, word += PSTI_GROUP)
        _mm_storel_epi64((__m128i *)word, words_load4(digit + i));
}

static inline void sums_begin(sums_context *c, const psti_operand *x, const psti_shape *s) {
    c->high = x->code;
    c->low = x->low;
    c->scale = x->scale;
    c->n = s->padded_inputs;
    if (c->n <= WORDS)
        words_join(c->word, c->high, c->low, 0, c->n);
}

static inline __m256i words_dot(__m256i sum, const unsigned char *w, const int16_t *word) {
    long long four;
    memcpy(&four, word, sizeof four);
    __m256i weights = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)w));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(weights, _mm256_set1_epi64x(four)));
}

/* Sums are in memory between the loops, in a psti_partial: 32 vectors of 4 lanes x 2 halves, 4 for every 16 lanes, S1's
 * from the first on (or those of the sum of both), S0's from the 17th. Where a block has one vector of lanes, the odd
 * groups are summed in 4 of their own. */
#define WORDS_LOW 16
static const psti_partial words_zero;

static inline const __m256i *words_sums(const psti_partial *partial) {
    return (const __m256i *)partial->word;
}

/* to[0..7] = from[0..7] + `groups` groups of inputs of half a wide block's lanes. Not inline: among the stages of a
 * cell gcc leaves the registers to the cell's constants and takes every sum from memory. */
static __attribute__((noinline)) void words_wide(const int16_t *word, const unsigned char *w, uint32_t groups,
                                                 const __m256i *from, __m256i *to) {
    __m256i sum[8];
#pragma GCC unroll 8
    for (int q = 0; q < 8; q++)
        sum[q] = from[q];
    for (uint32_t i = 0; i < groups; i++, word += PSTI_GROUP, w += PSTI_GATES * PSTI_LANES * 4) {
#pragma GCC unroll 8
        for (int q = 0; q < 8; q++)
            sum[q] = words_dot(sum[q], w + (size_t)16 * q, word);
    }
#pragma GCC unroll 8
    for (int q = 0; q < 8; q++)
        to[q] = sum[q];
}

/* The same of a block of one vector: even groups in [0..3], odd ones in [4..7]. */
static __attribute__((noinline)) void words_narrow(const int16_t *word, const unsigned char *w, uint32_t groups,
                                                   const __m256i *from, __m256i *to) {
    __m256i sum[8];
#pragma GCC unroll 8
    for (int q = 0; q < 8; q++)
        sum[q] = from[q];
    for (uint32_t i = 0; i < groups / 2; i++, word += 2 * PSTI_GROUP, w += 2 * PSTI_LANES * 4) {
#pragma GCC unroll 8
        for (int q = 0; q < 8; q++)
            sum[q] = words_dot(sum[q], w + (size_t)16 * q, word + q / 4 * PSTI_GROUP);
    }
    if (groups % 2) {
#pragma GCC unroll 4
        for (int q = 0; q < 4; q++)
            sum[q] = words_dot(sum[q], w + (size_t)16 * q, word);
    }
#pragma GCC unroll 8
    for (int q = 0; q < 8; q++)
        to[q] = sum[q];
}

/* sum = start + the inputs [from, to), whose words begin at `word`. A wide block has more sums than there are
 * registers: it is gone through twice, for two gates each time, and the cell's stages are spread over both. */
static inline __attribute__((always_inline)) void words_add(const int16_t *word, const unsigned char *tiles,
                                                            uint32_t from, uint32_t to, const uint32_t vectors,
                                                            const __m256i *start, __m256i *sum, psti_cell *cell) {
    const uint32_t groups = (to - from) / PSTI_GROUP;
    const size_t stride = (size_t)vectors * PSTI_LANES * 4;
    tiles += from / PSTI_GROUP * stride;
    if (vectors == 1) {
        words_narrow(word, tiles, groups, start, sum);
        return;
    }
    const uint32_t passes = 2, parts = cell ? 2 : 1;
#pragma GCC unroll 2
    for (uint32_t pass = 0; pass < passes; pass++, tiles += stride / passes, start += 8, sum += 8) {
        uint32_t done = 0;
#pragma GCC unroll 8
        for (uint32_t part = 0; part < parts; part++) {
            uint32_t end = groups * (part + 1) / parts;
            words_wide(word + (size_t)PSTI_GROUP * done, tiles + done * stride, end - done, part ? sum : start, sum);
            done = end;
            for (uint32_t stage = 0; cell && stage < PSTI_CELL_STAGES / 4; stage++)
                psti_cell_stage(cell, (int)((pass * parts + part) * (PSTI_CELL_STAGES / 4) + stage));
        }
    }
}

/* Adds the inputs [from, to) of an operand that is longer than WORDS. */
static __attribute__((noinline)) void words_add_long(const int8_t *high, const int8_t *low, const unsigned char *tiles,
                                                     uint32_t from, uint32_t to, const uint32_t vectors, __m256i *sum) {
    int16_t word[WORDS];
    for (uint32_t at = from; at < to; at += WORDS) {
        uint32_t end = to - at < WORDS ? to : at + WORDS;
        words_widen(word, high, at, end);
        words_add(word, tiles, at, end, vectors, sum, sum, NULL);
        words_widen(word, low, at, end);
        words_add(word, tiles, at, end, vectors, sum + WORDS_LOW, sum + WORDS_LOW, NULL);
    }
}

/* The halves of 8 lanes added: wrong where that overflows. */
static inline __m256i words_total8(__m256i a, __m256i b) {
    return _mm256_permute4x64_epi64(_mm256_hadd_epi32(a, b), 0xd8);
}

static inline vf words_total(const __m256i *sum) {
    return (vf){_mm256_cvtepi32_ps(words_total8(sum[0], sum[1])), _mm256_cvtepi32_ps(words_total8(sum[2], sum[3]))};
}

/* The halves of 4 lanes added in float64, which is exact, and rounded once. */
static inline __m128 words_total_wide4(__m256i quarter) {
    __m256d a = _mm256_cvtepi32_pd(_mm256_castsi256_si128(quarter));
    __m256d b = _mm256_cvtepi32_pd(_mm256_extracti128_si256(quarter, 1));
    return _mm256_cvtpd_ps(_mm256_permute4x64_pd(_mm256_hadd_pd(a, b), 0xd8));
}

static inline vf words_total_wide(const __m256i *sum) {
    return (vf){_mm256_set_m128(words_total_wide4(sum[1]), words_total_wide4(sum[0])),
                _mm256_set_m128(words_total_wide4(sum[3]), words_total_wide4(sum[2]))};
}

static inline __attribute__((always_inline)) void words_value(uint32_t n, const uint32_t vectors, const __m256i *sum,
                                                              vf *value) {
    __m256i joined[WORDS_LOW + 4];
    if (vectors == 1) {
#pragma GCC unroll 4
        for (int q = 0; q < 4; q++) {
            joined[q] = _mm256_add_epi32(sum[q], sum[4 + q]);
            joined[WORDS_LOW + q] = _mm256_add_epi32(sum[WORDS_LOW + q], sum[WORDS_LOW + 4 + q]);
        }
        sum = joined;
    }
#pragma GCC unroll 4
    for (uint32_t v = 0; v < vectors; v++, sum += 4) {
        if (n <= WORDS / 2)
            value[v] = words_total(sum);
        else if (n <= WORDS)
            value[v] = words_total_wide(sum);
        else
            value[v] = vf_fma(words_total(sum), vf_all(256.0f), words_total(sum + WORDS_LOW));
    }
}

static inline __attribute__((always_inline)) void sums_whole(const sums_context *c, const unsigned char *tiles,
                                                             const psti_shape *s, const uint32_t vectors, vf *value,
                                                             psti_cell *cell, const psti_ahead *ahead,
                                                             const psti_partial *begun) {
    psti_partial partial;
    __m256i *sum = (__m256i *)partial.word;
    const __m256i *start = words_sums(begun ? begun : &words_zero);
    uint32_t from = 0, to = s->padded_inputs, other = 0, other_to = 0;
    if (begun) { /* what is left lies on two sides: the cell is woven into the longer one */
        other_to = ahead->from;
        from = ahead->to;
        if (other_to > to - from) {
            other = from;
            other_to = to;
            from = 0;
            to = ahead->from;
        }
    }
    if (c->n <= WORDS) {
        if (other < other_to) {
            words_add(c->word + other, tiles, other, other_to, vectors, start, sum, NULL);
            start = sum;
        }
        words_add(c->word + from, tiles, from, to, vectors, start, sum, cell);
    } else {
        memcpy(&partial, start, sizeof partial);
        words_add_long(c->high, c->low, tiles, other, other_to, vectors, sum);
        words_add_long(c->high, c->low, tiles, from, to, vectors, sum);
        if (cell)
            psti_cell_finish(cell);
    }
    words_value(c->n, vectors, sum, value);
}

static inline void sums_ahead(const psti_operand *x, const unsigned char *tiles, const psti_shape *s,
                              const uint32_t vectors, const psti_ahead *ahead, psti_partial *begun) {
    __m256i *sum = (__m256i *)begun->word;
    if (s->padded_inputs <= WORDS) {
        int16_t word[WORDS];
        words_join(word, x->code, x->low, ahead->from, ahead->to);
        words_add(word, tiles, ahead->from, ahead->to, vectors, words_sums(&words_zero), sum, NULL);
    } else {
        memset(begun, 0, sizeof *begun);
        words_add_long(x->code, x->low, tiles, ahead->from, ahead->to, vectors, sum);
    }
}

static inline void sums_part(const sums_context *c, const unsigned char *tiles, uint32_t from, uint32_t to,
                             const psti_shape *s, const uint32_t vectors, psti_partial *partial) {
    __m256i *sum = (__m256i *)partial->word;
    (void)s;
    if (c->n <= WORDS)
        words_add(c->word + from, tiles, from, to, vectors, sum, sum, NULL);
    else
        words_add_long(c->high, c->low, tiles, from, to, vectors, sum);
}

static inline void sums_value(const sums_context *c, const psti_partial *partial, const uint32_t vectors, vf *value) {
    words_value(c->n, vectors, words_sums(partial), value);
}

static inline vf sums_close(const sums_context *c, vf value, const float *scale, vf bracket) {
    return vf_fma(value, vf_mul(vf_load(scale), vf_all(c->scale)), bracket);
}

#include "kernels/template/layer.h"

/* Products of 8-bit weights with one or two digits of activation: exact in int32, so in any order. Before including
 * this, a file defines DIGITS (1 or 2), ENCODING, ENCODING_NUMBER, and its build's quad.h:
 *   vi                       16 int32; vi_zero, vi_add, vi_load, vi_store, vi_subtract_all, vi_to_float
 *   w8, w8_load(tiles)       16 lanes x 4 weights
 *   quad, quad_load(digits)  4 digits for all lanes
 *   quad_dot(sum, w8, quad)  sum + w . d in each lane, wrapping
 *   QUAD_OFFSET              0, or: sums have QUAD_OFFSET times digit_sum too much (what the build's adapt added to
 *                            each weight; or 1)
 *   digit_sum(d, n)          the sum of the digits, or of those that quad_dot's way makes too much of */

typedef struct {
    const int8_t *digit[DIGITS]; /* high first */
    int32_t offset[DIGITS];      /* what the sums of a whole block have too much */
    float scale;
} sums_context;

static inline void sums_begin(sums_context *c, const psti_operand *x, const psti_shape *s) {
    c->scale = x->scale;
    c->digit[0] = x->code;
#if DIGITS == 2
    c->digit[1] = x->low;
#endif
    for (int d = 0; d < DIGITS; d++)
        c->offset[d] = QUAD_OFFSET ? QUAD_OFFSET * digit_sum(c->digit[d], s->padded_inputs) : 0;
}

/* Adds the inputs [from, to) (multiples of 4): `ways` groups of inputs side by side, each with sums of its own. */
static inline __attribute__((always_inline)) uint32_t sums_groups(const sums_context *c, const unsigned char *tiles,
                                                                  uint32_t from, uint32_t to, const uint32_t ways,
                                                                  const uint32_t vectors,
                                                                  vi sum[][DIGITS][PSTI_GATES]) {
    const size_t stride = (size_t)vectors * PSTI_LANES * 4;
    const unsigned char *w = tiles + from / 4 * stride;
    uint32_t i = from;
    for (; i + 4 * ways <= to; i += 4 * ways, w += ways * stride) {
#pragma GCC unroll 4
        for (uint32_t way = 0; way < ways; way++) {
            quad d[DIGITS];
#pragma GCC unroll 2
            for (int k = 0; k < DIGITS; k++)
                d[k] = quad_load(c->digit[k] + i + 4 * way);
#pragma GCC unroll 4
            for (uint32_t v = 0; v < vectors; v++) {
                w8 weights = w8_load(w + way * stride + (size_t)v * PSTI_LANES * 4);
#pragma GCC unroll 2
                for (int k = 0; k < DIGITS; k++)
                    sum[way][k][v] = quad_dot(sum[way][k][v], weights, d[k]);
            }
        }
    }
    return i;
}

/* value = fmaf((float)S1, 256, (float)S0), or (float)S1 of the only digit. */
static inline vf sums_combine(const sums_context *c, const vi sum[DIGITS]) {
    vf high = vi_to_float(vi_subtract_all(sum[0], c->offset[0]));
#if DIGITS == 2
    return vf_fma(high, vf_all(256.0f), vi_to_float(vi_subtract_all(sum[1], c->offset[1])));
#else
    return high;
#endif
}

static inline __attribute__((always_inline)) void sums_load(const psti_partial *partial, const uint32_t vectors,
                                                            vi sum[DIGITS][PSTI_GATES]) {
#pragma GCC unroll 2
    for (int k = 0; k < DIGITS; k++)
#pragma GCC unroll 4
        for (uint32_t v = 0; v < vectors; v++)
            sum[k][v] = vi_load(partial->word[k][v]);
}

static inline __attribute__((always_inline)) void sums_store(psti_partial *partial, const uint32_t vectors,
                                                             vi sum[DIGITS][PSTI_GATES]) {
#pragma GCC unroll 2
    for (int k = 0; k < DIGITS; k++)
#pragma GCC unroll 4
        for (uint32_t v = 0; v < vectors; v++)
            vi_store(partial->word[k][v], sum[k][v]);
}

static inline __attribute__((always_inline)) void sums_ahead(const psti_operand *x, const unsigned char *tiles,
                                                             const psti_shape *s, const uint32_t vectors,
                                                             const psti_ahead *ahead, psti_partial *begun) {
    sums_context c = {.digit[0] = x->code}; /* the offset is of the whole block, and taken off at its end */
    vi sum[1][DIGITS][PSTI_GATES];
    (void)s;
#if DIGITS == 2
    c.digit[1] = x->low;
#endif
#pragma GCC unroll 2
    for (int k = 0; k < DIGITS; k++)
#pragma GCC unroll 4
        for (uint32_t v = 0; v < vectors; v++)
            sum[0][k][v] = vi_zero();
    sums_groups(&c, tiles, ahead->from, ahead->to, 1, vectors, sum);
    sums_store(begun, vectors, sum[0]);
}

static inline __attribute__((always_inline)) void sums_whole(const sums_context *c, const unsigned char *tiles,
                                                             const psti_shape *s, const uint32_t vectors, vf *value,
                                                             psti_cell *cell, const psti_ahead *ahead,
                                                             const psti_partial *begun) {
    /* four chains (eight with two digits) of a wide block hide a dot product's latency; a narrow block makes four of
     * its one */
    const uint32_t ways = vectors == 1 ? 4 : 1;
    vi sum[4][DIGITS][PSTI_GATES];
#pragma GCC unroll 4
    for (uint32_t way = 0; way < ways; way++)
#pragma GCC unroll 2
        for (int k = 0; k < DIGITS; k++)
#pragma GCC unroll 4
            for (uint32_t v = 0; v < vectors; v++)
                sum[way][k][v] = vi_zero();
    uint32_t from = 0, end = s->padded_inputs;
    if (begun) { /* what is left lies on two sides: the cell is woven into the longer one */
        uint32_t other = ahead->to, other_end = end;
        sums_load(begun, vectors, sum[0]);
        end = ahead->from;
        if (end < other_end - other) {
            from = other;
            end = other_end;
            other = 0;
            other_end = ahead->from;
        }
        sums_groups(c, tiles, other, other_end, 1, vectors, sum);
    }
    uint32_t done = from;
    const uint32_t parts = cell ? PSTI_CELL_STAGES : 1;
#pragma GCC unroll 8
    for (uint32_t part = 0; part < parts; part++) {
        /* ends at multiples of a group are enough: sums_groups stops before a part of `ways` groups */
        uint32_t to = from + (end - from) / PSTI_GROUP * (part + 1) / parts * PSTI_GROUP;
        done = sums_groups(c, tiles, done, to, ways, vectors, sum);
        if (cell)
            psti_cell_stage(cell, (int)part);
    }
    if (ways > 1)
        sums_groups(c, tiles, done, end, 1, vectors, sum);
#pragma GCC unroll 4
    for (uint32_t v = 0; v < vectors; v++) {
        vi total[DIGITS];
#pragma GCC unroll 2
        for (int k = 0; k < DIGITS; k++) {
            total[k] = sum[0][k][v];
#pragma GCC unroll 4
            for (uint32_t way = 1; way < ways; way++)
                total[k] = vi_add(total[k], sum[way][k][v]);
        }
        value[v] = sums_combine(c, total);
    }
}

static inline void sums_part(const sums_context *c, const unsigned char *tiles, uint32_t from, uint32_t to,
                             const psti_shape *s, const uint32_t vectors, psti_partial *partial) {
    (void)s;
    vi sum[1][DIGITS][PSTI_GATES];
    sums_load(partial, vectors, sum[0]);
    sums_groups(c, tiles, from, to, 1, vectors, sum);
    sums_store(partial, vectors, sum[0]);
}

static inline void sums_value(const sums_context *c, const psti_partial *partial, const uint32_t vectors, vf *value) {
    for (uint32_t v = 0; v < vectors; v++) {
        vi sum[DIGITS];
        for (int k = 0; k < DIGITS; k++)
            sum[k] = vi_load(partial->word[k][v]);
        value[v] = sums_combine(c, sum);
    }
}

static inline vf sums_close(const sums_context *c, vf value, const float *scale, vf bracket) {
    return vf_fma(value, vf_mul(vf_load(scale), vf_all(c->scale)), bracket);
}

#include "kernels/template/layer.h"

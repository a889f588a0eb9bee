/* Sums of f32 and bf16 in plain C: four ranges, each from 0 upwards, then (r0 + r1) + (r2 + r3). Before including this,
 * a file defines code_type, what an operand is stored as; behind it, range(). */
typedef struct {
    const code_type *code;
} sums_context;

static void sums_begin(sums_context *c, const psti_operand *x, const psti_shape *s) {
    (void)s;
    c->code = x->code;
}

/* The product of the inputs [from, to) of one range and one lane, added to `sum`: the encoding's own. */
static float range(const sums_context *c, const unsigned char *tiles, uint32_t from, uint32_t to, uint32_t vectors,
                   uint32_t lane, float sum);

static void one_range(const sums_context *c, const unsigned char *tiles, uint32_t from, uint32_t to, uint32_t vectors,
                      uint32_t r, psti_partial *partial) {
    for (uint32_t lane = 0; lane < vectors * PSTI_LANES; lane++) {
        uint32_t *word = &partial->word[r][lane / PSTI_LANES][lane % PSTI_LANES];
        *word = psti_bits(range(c, tiles, from, to, vectors, lane, psti_float(*word)));
    }
}

static void sums_part(const sums_context *c, const unsigned char *tiles, uint32_t from, uint32_t to,
                      const psti_shape *s, uint32_t vectors, psti_partial *partial) {
    for (uint32_t r = 0; r < PSTI_RANGES; r++) {
        uint32_t begin = from > s->border[r] ? from : s->border[r], end = to < s->border[r + 1] ? to : s->border[r + 1];
        one_range(c, tiles, begin, end, vectors, r, partial);
    }
}

static void sums_ahead(const psti_operand *x, const unsigned char *tiles, const psti_shape *s, uint32_t vectors,
                       const psti_ahead *ahead, psti_partial *begun) {
    sums_context c;
    sums_begin(&c, x, s);
    memset(begun, 0, sizeof *begun);
    for (uint32_t r = 0; r < PSTI_RANGES; r++)
        one_range(&c, tiles, s->border[r], psti_ahead_reached(s, ahead, r), vectors, r, begun);
}

/* What sums_ahead has left. */
static void sums_rest(const sums_context *c, const unsigned char *tiles, const psti_shape *s, uint32_t vectors,
                      const psti_ahead *ahead, psti_partial *partial) {
    for (uint32_t r = 0; r < PSTI_RANGES; r++)
        one_range(c, tiles, psti_ahead_reached(s, ahead, r), s->border[r + 1], vectors, r, partial);
}

static void sums_value(const sums_context *c, const psti_partial *partial, uint32_t vectors, vf *value) {
    (void)c;
    for (uint32_t lane = 0; lane < vectors * PSTI_LANES; lane++) {
        float r[PSTI_RANGES];
        for (uint32_t i = 0; i < PSTI_RANGES; i++)
            r[i] = psti_float(partial->word[i][lane / PSTI_LANES][lane % PSTI_LANES]);
        value[lane / PSTI_LANES].v[lane % PSTI_LANES] = (r[0] + r[1]) + (r[2] + r[3]);
    }
}

static vf sums_close(const sums_context *c, vf value, const float *scale, vf bracket) {
    (void)c;
    (void)scale;
    return vf_add(value, bracket);
}

#include "kernels/scalar/whole.h"

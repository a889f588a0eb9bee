/* f32 in plain C: the bits that every level must give. */
#include "kernels/scalar/vector.h"
#include "kernels/template/math.h"

#define BUILD scalar
#define ENCODING f32
#define ENCODING_NUMBER PSTI_F32

typedef struct {
    const float *code;
} sums_context;

static sums_context sums_begin(const psti_operand *x, const psti_shape *s) {
    (void)s;
    return (sums_context){x->code};
}

/* The product of the inputs [from, to) of one range and one lane, added to `sum`. */
static float range(const sums_context *c, const unsigned char *tiles, uint32_t from, uint32_t to, uint32_t vectors,
                   uint32_t lane, float sum) {
    const float *w = (const float *)tiles;
    for (uint32_t i = from; i < to; i++)
        sum = fmaf(w[(size_t)i * vectors * PSTI_LANES + lane], c->code[i], sum);
    return sum;
}

static void sums_part(const sums_context *c, const unsigned char *tiles, uint32_t from, uint32_t to,
                      const psti_shape *s, uint32_t vectors, psti_partial *partial) {
    for (uint32_t r = 0; r < PSTI_RANGES; r++) {
        uint32_t begin = from > s->border[r] ? from : s->border[r], end = to < s->border[r + 1] ? to : s->border[r + 1];
        for (uint32_t lane = 0; lane < vectors * PSTI_LANES; lane++) {
            uint32_t *word = &partial->word[r][lane / PSTI_LANES][lane % PSTI_LANES];
            *word = psti_bits(range(c, tiles, begin, end, vectors, lane, psti_float(*word)));
        }
    }
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

static void sums_whole(const sums_context *c, const unsigned char *tiles, const psti_shape *s, uint32_t vectors,
                       vf *value, psti_cell *cell) {
    psti_partial partial = {0};
    sums_part(c, tiles, 0, s->padded_inputs, s, vectors, &partial);
    sums_value(c, &partial, vectors, value);
    if (cell)
        psti_cell_finish(cell);
}

#include "kernels/template/layer.h"

/* Products of f32 and bf16: four ranges of inputs, each summed in its own accumulator from 0, inputs ascending, then
 * (r0 + r1) + (r2 + r3). Before including this, a file defines
 *   STEP                  inputs of one step: 1 (f32) or 2 (bf16)
 *   step_operand, step_load(code, input)   the step's activations in all lanes
 *   step_add(sum, weights, activations)    one step of one vector
 * and its vector.h PSTI_PARK(sum), which puts a sum into memory between loops where registers are few.
 * A wide block takes its ranges in turn: its four chains (one a gate) hide most of an FMA's latency, and the block is
 * read as one stream. Two ranges side by side have twice the chains, but read two streams, and that cost a tenth where
 * the weights come from L3 (3x256, bf16, Zen 4). A narrow block has one chain a range, so it takes all four side by
 * side.
 */

typedef struct {
    const void *code;
} sums_context;

static inline void sums_begin(sums_context *c, const psti_operand *x, const psti_shape *s) {
    (void)s;
    c->code = x->code;
}

/* `ranges` ranges side by side, `steps` steps each, range r from input from[r]. */
static inline __attribute__((always_inline)) void sums_side_by_side(const void *code, const unsigned char *tiles,
                                                                    const uint32_t *from, uint32_t steps,
                                                                    const uint32_t ranges, const uint32_t vectors,
                                                                    vf sum[][PSTI_GATES]) {
    const size_t stride = (size_t)vectors * PSTI_LANES * 4;
    const unsigned char *w[PSTI_RANGES];
    vf here[PSTI_RANGES][PSTI_GATES];
    for (uint32_t r = 0; r < ranges; r++)
        w[r] = tiles + from[r] / STEP * stride;
#pragma GCC unroll 4
    for (uint32_t r = 0; r < ranges; r++)
#pragma GCC unroll 4
        for (uint32_t v = 0; v < vectors; v++) {
            PSTI_PARK(sum[r][v]);
            here[r][v] = sum[r][v];
        }
    for (uint32_t i = 0; i < steps; i++) {
#pragma GCC unroll 4
        for (uint32_t r = 0; r < ranges; r++) {
            step_operand x = step_load(code, from[r] + i * STEP);
#pragma GCC unroll 4
            for (uint32_t v = 0; v < vectors; v++)
                here[r][v] = step_add(here[r][v], w[r] + i * stride + (size_t)v * PSTI_LANES * 4, x);
        }
    }
#pragma GCC unroll 4
    for (uint32_t r = 0; r < ranges; r++)
#pragma GCC unroll 4
        for (uint32_t v = 0; v < vectors; v++) {
            sum[r][v] = here[r][v];
            PSTI_PARK(sum[r][v]);
        }
}

/* The inputs [from, to) of one range. */
static inline __attribute__((always_inline)) void sums_alone(const void *code, const unsigned char *tiles,
                                                             uint32_t from, uint32_t to, const uint32_t vectors,
                                                             vf sum[][PSTI_GATES]) {
    if (from < to)
        sums_side_by_side(code, tiles, &from, (to - from) / STEP, 1, vectors, sum);
}

/* Ranges [first, first + ranges), each from start[r] on: together as far as the shortest goes, then each to its end.
 * The cell's stages from `stage` on, `stages` of them, are spread over the common part. */
static inline __attribute__((always_inline)) void sums_ranges(const void *code, const unsigned char *tiles,
                                                              const psti_shape *s, const uint32_t *start,
                                                              const uint32_t first, const uint32_t ranges,
                                                              const uint32_t vectors, vf sum[][PSTI_GATES],
                                                              psti_cell *cell, const int stage, const int stages) {
    uint32_t shortest = UINT32_MAX, from[PSTI_RANGES], done = 0;
    for (uint32_t r = 0; r < ranges; r++) {
        from[r] = start[first + r];
        uint32_t length = s->border[first + r + 1] - from[r];
        shortest = length < shortest ? length : shortest;
    }
    const int parts = cell ? stages : 1;
#pragma GCC unroll 8
    for (int part = 0; part < parts; part++) {
        uint32_t steps = shortest / STEP * (uint32_t)(part + 1) / (uint32_t)parts - done;
        sums_side_by_side(code, tiles, from, steps, ranges, vectors, sum + first);
        for (uint32_t r = 0; r < ranges; r++)
            from[r] += steps * STEP;
        done += steps;
        if (cell)
            psti_cell_stage(cell, stage + part);
    }
#pragma GCC unroll 4
    for (uint32_t r = 0; r < ranges; r++)
        sums_alone(code, tiles, from[r], s->border[first + r + 1], vectors, sum + first + r);
}

static inline __attribute__((always_inline)) void sums_whole(const sums_context *context, const unsigned char *tiles,
                                                             const psti_shape *s, const uint32_t vectors, vf *value,
                                                             psti_cell *cell, const psti_ahead *ahead,
                                                             const psti_partial *begun) {
    vf sum[PSTI_RANGES][PSTI_GATES];
    uint32_t reached[PSTI_RANGES];
    const uint32_t *start = s->border;
    const uint32_t together = vectors == 1 ? 4 : 1;
    const int stages = PSTI_CELL_STAGES / PSTI_RANGES;
#pragma GCC unroll 4
    for (uint32_t r = 0; r < PSTI_RANGES; r++)
#pragma GCC unroll 4
        for (uint32_t v = 0; v < vectors; v++)
            sum[r][v] = vf_all(0.0f);
    if (begun) {
        for (uint32_t r = 0; r < PSTI_RANGES; r++)
            reached[r] = psti_ahead_reached(s, ahead, r);
#pragma GCC unroll 4
        for (uint32_t r = 0; r < PSTI_RANGES; r++)
#pragma GCC unroll 4
            for (uint32_t v = 0; v < vectors; v++)
                sum[r][v] = vf_load((const float *)begun->word[r][v]);
        start = reached;
    }
#pragma GCC unroll 4
    for (uint32_t r = 0; r < PSTI_RANGES; r += together)
        sums_ranges(context->code, tiles, s, start, r, together, vectors, sum, cell, (int)(r / together) * stages,
                    stages);
#pragma GCC unroll 4
    for (uint32_t v = 0; v < vectors; v++)
        value[v] = vf_add(vf_add(sum[0][v], sum[1][v]), vf_add(sum[2][v], sum[3][v]));
}

static inline __attribute__((always_inline)) void sums_ahead(const psti_operand *x, const unsigned char *tiles,
                                                             const psti_shape *s, const uint32_t vectors,
                                                             const psti_ahead *ahead, psti_partial *begun) {
    for (uint32_t r = 0; r < PSTI_RANGES; r++) {
        vf sum[1][PSTI_GATES];
#pragma GCC unroll 4
        for (uint32_t v = 0; v < vectors; v++)
            sum[0][v] = vf_all(0.0f);
        sums_alone(x->code, tiles, s->border[r], psti_ahead_reached(s, ahead, r), vectors, sum);
#pragma GCC unroll 4
        for (uint32_t v = 0; v < vectors; v++)
            vf_store((float *)begun->word[r][v], sum[0][v]);
    }
}

static inline void sums_part(const sums_context *context, const unsigned char *tiles, uint32_t from, uint32_t to,
                             const psti_shape *s, const uint32_t vectors, psti_partial *partial) {
    for (uint32_t r = 0; r < PSTI_RANGES; r++) {
        uint32_t begin = from > s->border[r] ? from : s->border[r], end = to < s->border[r + 1] ? to : s->border[r + 1];
        if (begin >= end)
            continue;
        vf sum[1][PSTI_GATES];
        for (uint32_t v = 0; v < vectors; v++)
            sum[0][v] = vf_load((const float *)partial->word[r][v]);
        sums_alone(context->code, tiles, begin, end, vectors, sum);
        for (uint32_t v = 0; v < vectors; v++)
            vf_store((float *)partial->word[r][v], sum[0][v]);
    }
}

static inline void sums_value(const sums_context *context, const psti_partial *partial, const uint32_t vectors,
                              vf *value) {
    (void)context;
    for (uint32_t v = 0; v < vectors; v++)
        value[v] =
            vf_add(vf_add(vf_load((const float *)partial->word[0][v]), vf_load((const float *)partial->word[1][v])),
                   vf_add(vf_load((const float *)partial->word[2][v]), vf_load((const float *)partial->word[3][v])));
}

static inline vf sums_close(const sums_context *context, vf value, const float *scale, vf bracket) {
    (void)context;
    (void)scale;
    return vf_add(value, bracket);
}

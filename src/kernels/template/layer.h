/* The four kernels of one encoding, around its products. Before including this, a file defines BUILD, ENCODING and
 * ENCODING_NUMBER, vector.h and math.h, and
 *
 * sums_context: what is computed once a call
 * sums_begin(context, operand, shape): that
 * sums_whole(context, tiles, shape, vectors, value, cell, ahead, begun): the product of a whole block, one value a
 *     lane; the stages of `cell`, another block's, in between, unless it is NULL. Where `begun` is not NULL, it holds
 *     the sums of the inputs of `ahead`
 * sums_ahead(operand, tiles, shape, vectors, ahead, begun): those sums
 * sums_part(context, tiles, from, to, shape, vectors, partial): adds the inputs [from, to) to sums in memory
 * sums_value(context, partial, vectors, value): the product from sums in memory
 * sums_close(context, value, row scales, bracket): value and bracket into one gate
 *
 * `vectors` is 4 (a wide lstm block) or 1 (a narrow one, or a Linear's) and always a constant. */

#define NAME2(build, class, encoding) psti_##build##_##class##_##encoding
#define NAME1(build, class, encoding) NAME2(build, class, encoding)
#define NAME(class) NAME1(BUILD, class, ENCODING)

static inline vf NAME(gate)(const sums_context *context, const psti_layer_args *a, uint32_t vector, vf value) {
    vf bracket = vf_load(a->bracket + (size_t)PSTI_LANES * vector);
    const float *scale = a->scale ? a->scale + (size_t)PSTI_LANES * vector : NULL;
    vf gate = vf_flush(sums_close(context, value, scale, bracket), PSTI_LEAST_VALUE);
    if (a->gates)
        vf_store(a->gates + (size_t)PSTI_LANES * vector, gate);
    return gate;
}

/* Where a block begins, and not a byte count more than that takes: settle and ahead are called once a block. */
static inline const unsigned char *NAME(block)(const unsigned char *tiles, const psti_shape *s, uint32_t block) {
    size_t bytes = psti_block_bytes(s, ENCODING_NUMBER, 0);
    if (block < s->wide)
        return tiles + block * bytes;
    return tiles + s->wide * bytes + (block - s->wide) * psti_block_bytes(s, ENCODING_NUMBER, 1);
}

/* The gates of a wide block, whose cell is then to be run. */
static inline __attribute__((always_inline)) psti_cell NAME(cell)(const sums_context *context, const psti_layer_args *a,
                                                                  uint32_t block, const vf *value) {
    psti_cell cell = {.out = &a->out, .unit = PSTI_BLOCK * block};
#pragma GCC unroll 4
    for (uint32_t g = 0; g < PSTI_GATES; g++)
        cell.gate[g] = NAME(gate)(context, a, PSTI_GATES * block + g, value[g]);
    cell.c = vf_load(a->c_before + (size_t)PSTI_BLOCK * block);
    cell.c_after = a->c + (size_t)PSTI_BLOCK * block;
    return cell;
}

/* All narrow blocks finish together: their gates are gathered into the lanes of one wide block. */
static inline void NAME(lstm_narrow)(const sums_context *context, const psti_layer_args *a) {
    const psti_shape *s = a->shape;
    size_t bytes = psti_block_bytes(s, ENCODING_NUMBER, 1);
    const unsigned char *tiles = a->tiles + s->wide * psti_block_bytes(s, ENCODING_NUMBER, 0);
    float gathered[PSTI_GATES][PSTI_LANES] = {{0}}, lanes[PSTI_LANES];
    for (uint32_t n = a->first > s->wide ? a->first - s->wide : 0; n < a->last - s->wide; n++) {
        vf value[1];
        sums_whole(context, tiles + n * bytes, s, 1, value, NULL, &a->ahead, psti_ahead_partial(a, s->wide + n));
        vf_store(lanes, NAME(gate)(context, a, PSTI_GATES * s->wide + n, value[0]));
        for (uint32_t g = 0; g < PSTI_GATES; g++)
            memcpy(gathered[g] + PSTI_NARROW * n, lanes + PSTI_NARROW * g, PSTI_NARROW * sizeof(float));
    }
    psti_cell cell = {.out = &a->out, .unit = PSTI_BLOCK * s->wide};
    for (uint32_t g = 0; g < PSTI_GATES; g++)
        cell.gate[g] = vf_load(gathered[g]);
    cell.c = vf_load(a->c_before + (size_t)PSTI_BLOCK * s->wide);
    cell.c_after = a->c + (size_t)PSTI_BLOCK * s->wide;
    psti_cell_finish(&cell);
}

void NAME(lstm)(const psti_layer_args *a) {
    const psti_shape *s = a->shape;
    size_t bytes = psti_block_bytes(s, ENCODING_NUMBER, 0);
    sums_context context;
    sums_begin(&context, &a->x, s);
    uint32_t wide_last = a->last < s->wide ? a->last : s->wide;
    if (a->first < wide_last) {
        vf value[PSTI_GATES];
        sums_whole(&context, a->tiles + a->first * bytes, s, PSTI_GATES, value, NULL, &a->ahead,
                   psti_ahead_partial(a, a->first));
        psti_cell cell = NAME(cell)(&context, a, a->first, value);
        for (uint32_t b = a->first + 1; b < wide_last; b++) {
            sums_whole(&context, a->tiles + b * bytes, s, PSTI_GATES, value, &cell, &a->ahead,
                       psti_ahead_partial(a, b));
            cell = NAME(cell)(&context, a, b, value);
        }
        psti_cell_finish(&cell);
    }
    if (a->last > s->wide)
        NAME(lstm_narrow)(&context, a);
}

void NAME(linear)(const psti_layer_args *a) {
    size_t bytes = psti_block_bytes(a->shape, ENCODING_NUMBER, 0);
    sums_context context;
    sums_begin(&context, &a->x, a->shape);
    for (uint32_t b = a->first; b < a->last; b++) {
        vf value[1];
        sums_whole(&context, a->tiles + b * bytes, a->shape, 1, value, NULL, &a->ahead, psti_ahead_partial(a, b));
        vf y = NAME(gate)(&context, a, b, value[0]);
        psti_sink_store(&a->out, PSTI_BLOCK * b, psti_clamp(y, -PSTI_LARGEST_VALUE, PSTI_LARGEST_VALUE));
    }
}

void NAME(ahead)(const psti_layer_args *a, uint32_t block) {
    const psti_shape *s = a->shape;
    const unsigned char *tiles = NAME(block)(a->tiles, s, block);
    psti_partial *begun = psti_ahead_partial(a, block);
    if (block < s->wide && s->gates == PSTI_GATES)
        sums_ahead(&a->x, tiles, s, PSTI_GATES, &a->ahead, begun);
    else
        sums_ahead(&a->x, tiles, s, 1, &a->ahead, begun);
}

static inline void NAME(settle_block)(const psti_settle_args *a, const unsigned char *tiles, uint32_t vector,
                                      const uint32_t vectors) {
    vf value[PSTI_GATES];
    sums_context context;
    sums_begin(&context, &a->h, a->shape);
    if (a->from == 0 && a->to == a->shape->padded_inputs) {
        sums_whole(&context, tiles, a->shape, vectors, value, NULL, NULL, NULL);
    } else {
        if (a->from == 0)
            memset(a->partial, 0, sizeof *a->partial);
        sums_part(&context, tiles, a->from, a->to, a->shape, vectors, a->partial);
        if (a->to != a->shape->padded_inputs)
            return;
        sums_value(&context, a->partial, vectors, value);
    }
    for (uint32_t v = 0; v < vectors; v++) {
        size_t lane = (size_t)PSTI_LANES * (vector + v);
        const float *scale = a->scale ? a->scale + lane : NULL;
        vf_store(a->bracket + lane,
                 vf_flush(sums_close(&context, value[v], scale, a->bias ? vf_load(a->bias + lane) : vf_all(0.0f)),
                          PSTI_LEAST_VALUE));
    }
}

void NAME(settle)(const psti_settle_args *a) {
    const psti_shape *s = a->shape;
    const unsigned char *tiles = NAME(block)(a->tiles, s, a->block);
    if (a->block < s->wide)
        NAME(settle_block)(a, tiles, PSTI_GATES * a->block, PSTI_GATES);
    else
        NAME(settle_block)(a, tiles, PSTI_GATES * s->wide + (a->block - s->wide), 1);
}

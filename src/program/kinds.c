/* The table of kinds in the program stage, and what their builders share. */
#include "base/number.h"
#include "program/program.h"

#define PSTI_KIND(name) [PSTI_KIND_##name] = &psti_program_kind_##name,
const psti_program_kind *const psti_program_kinds[PSTI_KINDS] = {
#include "model/kinds.def"
};
#undef PSTI_KIND

const char *const psti_matrix_names[PSTI_MATRICES] = {"W_ih", "W_hh", "W_hh rest", "W_ih rest"};

void psti_program_start(const psti_layer *from, psti_program_layer *out) {
    out->kind = from->kind;
    out->function = from->function;
    out->inputs = from->inputs;
    out->outputs = from->outputs;
    out->alpha = from->alpha;
    out->beta = from->beta;
    out->parameters = from->parameters;
    out->h_scale = out->h_scale_8 = 1;
}

psti_shape psti_program_shape(const psti_program_layer *layer, uint32_t m) {
    const psti_program_kind *kind = psti_program_kinds[layer->kind];
    uint32_t of = m == PSTI_MATRIX_RECURRENT_REST ? PSTI_MATRIX_RECURRENT : m == PSTI_MATRIX_INPUT_REST ? 0 : m;
    uint32_t columns = kind->matrix[of].columns == 'H' ? layer->outputs : layer->inputs;
    return psti_shape_of(layer->outputs, columns, kind->matrix[of].gates);
}

/* What the codes leave of the weights, in fp32. */
static void find_left(const psti_shape *s, int encoding, const psti_codes *codes, const float *w, float *left) {
    uint32_t rows = s->gates * s->units, groups = psti_shape_groups(s, encoding);
    for (size_t row = 0; row < rows; row++)
        for (uint32_t i = 0; i < s->inputs; i++) {
            size_t at = row * s->inputs + i;
            int m = groups ? codes->multiplier[row * groups + i / psti_shape_group(s, encoding)] : 1;
            left[at] = (float)((double)w[at] - (double)codes->scale[row] * (m * codes->code[at]));
        }
}

static pst_status round_nearest(const psti_shape *s, int encoding, const float *w, psti_codes *codes) {
    uint32_t rows = s->gates * s->units, groups = psti_shape_groups(s, encoding);
    psti_grid grid = psti_grid_of(s, encoding);
    for (size_t row = 0; row < rows; row++)
        ((float *)codes->scale)[row] =
            psti_nearest_row(&grid, w + row * s->inputs, s->inputs, (signed char *)codes->code + row * s->inputs,
                             (unsigned char *)codes->multiplier + row * groups);
    return PST_OK;
}

static pst_status pack_codes(const psti_packing *packing, const float *w, uint32_t m, psti_matrix *matrix,
                             unsigned char *tiles, float *scale, float *left, double *correction) {
    const psti_shape *s = &matrix->shape;
    uint32_t rows = s->gates * s->units, groups = psti_shape_groups(s, matrix->encoding);
    psti_arena arena = {0};
    psti_codes codes = {.code = psti_arena_take(&arena, (size_t)rows * s->inputs, 1),
                        .multiplier = psti_arena_take(&arena, (size_t)rows * groups + 1, 1),
                        .scale = psti_arena_take(&arena, rows, sizeof(float))};
    pst_status status = codes.code && codes.multiplier && codes.scale ? PST_OK : PST_E_MEMORY;
    if (!status && packing->round)
        status = packing->round(packing->user, m, s, matrix->encoding, w, &codes, correction);
    else if (!status)
        status = round_nearest(s, matrix->encoding, w, &codes);
    if (!status)
        psti_pack_codes(s, matrix->encoding, &codes, tiles, scale);
    if (!status && left)
        find_left(s, matrix->encoding, &codes, w, left);
    psti_arena_free(&arena);
    return status;
}

pst_status psti_program_pack(psti_arena *arena, const psti_packing *packing, const float *w, int encoding, uint32_t m,
                             psti_program_layer *layer, float *left, double *correction) {
    psti_matrix *matrix = &layer->matrix[m];
    psti_shape shape = psti_program_shape(layer, m);
    shape.group = packing->recipe.group;
    int scaled = psti_encoding_scaled(encoding);
    unsigned char *tiles = psti_arena_take(arena, psti_tiles_bytes(&shape, encoding), 1);
    float *scale = NULL;
    if (tiles && scaled)
        scale = psti_arena_take(arena, (size_t)PSTI_LANES * psti_shape_vectors(&shape), sizeof *scale);
    if (!tiles || (scaled && !scale))
        return PST_E_MEMORY;
    *matrix = (psti_matrix){.encoding = encoding, .shape = shape, .tiles = tiles, .scale = scale};
    if (scaled)
        return pack_codes(packing, w, m, matrix, tiles, scale, left, correction);
    psti_pack(&shape, encoding, w, tiles, scale);
    return PST_OK;
}

const float *psti_program_unfold(psti_arena *arena, psti_arena *own, const psti_packing *packing, const float *w,
                                 uint32_t rows, psti_program_layer *layer) {
    uint32_t inputs = layer->inputs;
    if (!packing->feature)
        return w;
    float *feature = psti_arena_take(arena, inputs, sizeof *feature);
    float *out = psti_arena_take(own, (size_t)rows * inputs, sizeof *out);
    if (!feature || !out)
        return NULL;
    memcpy(feature, packing->feature, inputs * sizeof *feature);
    layer->feature = feature;
    for (size_t i = 0; i < (size_t)rows * inputs; i++)
        out[i] = w[i] / feature[i % inputs]; /* exact */
    return out;
}

const float *psti_program_lanes(psti_arena *arena, const psti_program_layer *layer, const double *values) {
    psti_shape shape = psti_program_shape(layer, 0);
    uint32_t lanes = PSTI_LANES * psti_shape_vectors(&shape);
    float *out = psti_arena_take(arena, lanes, sizeof *out);
    for (uint32_t lane = 0; out && lane < lanes; lane++) {
        int64_t row = psti_shape_row(&shape, lane);
        if (row >= 0)
            out[lane] = psti_flush((float)values[row], -80);
    }
    return out;
}

pst_status psti_program_bias(psti_arena *arena, const float *a, const float *b, const double *correction,
                             psti_program_layer *layer) {
    psti_arena own = {0};
    psti_shape shape = psti_program_shape(layer, 0);
    uint32_t rows = shape.gates * shape.units;
    double *sum = psti_arena_take(&own, rows, sizeof *sum);
    for (uint32_t row = 0; sum && row < rows; row++) {
        /* rounded before it is corrected: of two biases what one float addition gives, as where a source has one */
        sum[row] = (double)(float)((a ? (double)a[row] : 0) + (b ? (double)b[row] : 0));
        sum[row] += correction ? correction[row] : 0;
    }
    layer->bias = sum ? psti_program_lanes(arena, layer, sum) : NULL;
    psti_arena_free(&own);
    return layer->bias ? PST_OK : PST_E_MEMORY;
}

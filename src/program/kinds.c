/* The table of kinds in the program stage, and what their builders share. */
#include "base/number.h"
#include "program/program.h"

#define PSTI_KIND(name) [PSTI_KIND_##name] = &psti_program_kind_##name,
const psti_program_kind *const psti_program_kinds[PSTI_KINDS] = {
#include "model/kinds.def"
};
#undef PSTI_KIND

void psti_program_start(const psti_layer *from, psti_program_layer *out) {
    out->kind = from->kind;
    out->function = from->function;
    out->inputs = from->inputs;
    out->outputs = from->outputs;
    out->alpha = from->alpha;
    out->beta = from->beta;
    out->parameters = from->parameters;
    out->matrices = psti_program_kinds[from->kind]->matrices;
    out->h_scale = 1;
}

psti_shape psti_program_shape(const psti_program_layer *layer, uint32_t m) {
    const psti_program_kind *kind = psti_program_kinds[layer->kind];
    uint32_t columns = kind->matrix[m].columns == 'H' ? layer->outputs : layer->inputs;
    return psti_shape_of(layer->outputs, columns, kind->matrix[m].gates);
}

pst_status psti_program_pack(psti_arena *arena, const float *w, int encoding, uint32_t m, psti_program_layer *layer) {
    psti_matrix *matrix = &layer->matrix[m];
    psti_shape shape = psti_program_shape(layer, m);
    unsigned char *tiles = psti_arena_take(arena, psti_tiles_bytes(&shape, encoding), 1);
    float *scale = NULL;
    if (tiles && psti_encoding_scaled(encoding))
        scale = psti_arena_take(arena, (size_t)PSTI_LANES * psti_shape_vectors(&shape), sizeof *scale);
    if (!tiles || (psti_encoding_scaled(encoding) && !scale))
        return PST_E_MEMORY;
    psti_pack(&shape, encoding, w, tiles, scale);
    *matrix = (psti_matrix){.encoding = encoding, .shape = shape, .tiles = tiles, .scale = scale};
    return PST_OK;
}

pst_status psti_program_bias(psti_arena *arena, const float *a, const float *b, psti_program_layer *layer) {
    psti_shape shape = psti_program_shape(layer, 0);
    uint32_t lanes = PSTI_LANES * psti_shape_vectors(&shape);
    float *bias = psti_arena_take(arena, lanes, sizeof *bias);
    if (!bias)
        return PST_E_MEMORY;
    for (uint32_t lane = 0; lane < lanes; lane++) {
        int64_t row = psti_shape_row(&shape, lane);
        if (row >= 0) /* the double sum rounded to float is what one float addition gives */
            bias[lane] = psti_flush((float)((a ? (double)a[row] : 0) + (b ? (double)b[row] : 0)), -80);
    }
    layer->bias = bias;
    return PST_OK;
}

/* Programs: made, finished, asked about, freed. */
#include "program/program.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/status.h"
#include "program/layout.h"

_Static_assert(PSTI_MAX_LAYERS <= PSTI_RECIPE_LAYERS, "a format can be given for every layer");

pst_status psti_program_new(uint32_t count, pst_program **out) {
    pst_program *p = psti_allocate(1, sizeof *p);
    if (!p)
        return PST_E_MEMORY;
    p->layers = psti_arena_take(&p->arena, count, sizeof *p->layers);
    if (!p->layers) {
        free(p);
        return PST_E_MEMORY;
    }
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t m = 0; m < PSTI_MATRICES; m++)
            p->layers[i].error[m] = p->layers[i].rounded[m] = p->layers[i].nearest[m] = -1;
    p->count = count;
    *out = p;
    return PST_OK;
}

void pst_program_free(pst_program *p) {
    if (!p)
        return;
    psti_arena_free(&p->arena);
    free(p->content);
    free(p);
}

float psti_program_h_limit(const psti_program_layer *layer) {
    int operand = psti_encodings[layer->matrix[PSTI_MATRIX_RECURRENT].encoding].operand;
    return operand == PSTI_OPERAND_A8 ? layer->h_scale_8 : layer->h_scale;
}

pst_status psti_program_check_h0(const psti_program_layer *layer, uint32_t index, const char *file) {
    if (!layer->h0 || !psti_encoding_scaled(layer->matrix[PSTI_MATRIX_RECURRENT].encoding))
        return PST_OK;
    for (uint32_t i = 0; i < layer->outputs; i++) {
        if (fabsf(layer->h0[i]) <= psti_program_h_limit(layer))
            continue;
        char item[64];
        snprintf(item, sizeof item, "layer %" PRIu32 " (%s)", index, psti_kinds[layer->kind]->name);
        return psti_fail(PST_E_NONFINITE, (psti_where){.file = file, .item = item, .field = "h0", .found = i},
                         "%s%s%s, unit %" PRIu32 ": h0 is %.9g, beyond %.9g, the scale of h in this format",
                         file ? file : "", file ? ": " : "", item, i, (double)layer->h0[i],
                         (double)psti_program_h_limit(layer));
    }
    return PST_OK;
}

pst_status psti_program_finish(pst_program *p) {
    for (uint32_t i = 0; i < p->count; i++) {
        if (!psti_program_kinds[p->layers[i].kind]->has_state)
            continue;
        pst_status status = psti_program_check_h0(&p->layers[i], i, NULL);
        if (status)
            return status;
    }
    pst_status status = psti_program_hash(p);
    if (status)
        return status;
    p->inputs = p->layers[0].inputs;
    p->outputs = p->layers[p->count - 1].outputs;
    p->parameters = 0;
    for (uint32_t i = 0; i < p->count; i++)
        p->parameters += p->layers[i].parameters;
    return PST_OK;
}

/* What the engine reads of a layer in each phase, in bytes of the file: respond reads the tiles and scales of matrix 0,
 * settle those of the recurrent matrix. The bias belongs to the bracket and is read where that is made: by settle for a
 * layer with a recurrent matrix, else by respond. Padding is counted in tiles only: weights of units and inputs that
 * the model does not have. */
typedef struct {
    uint64_t critical, settle, padding;
} psti_bytes;

static psti_bytes layer_bytes(const psti_program_layer *layer) {
    psti_bytes bytes = {0};
    for (uint32_t m = 0; m < PSTI_MATRICES; m++) {
        if (!psti_program_has(layer, m))
            continue;
        const psti_matrix *matrix = &layer->matrix[m];
        const psti_shape *shape = &matrix->shape;
        uint64_t lanes = (uint64_t)PSTI_LANES * psti_shape_vectors(shape);
        uint64_t tiles = psti_tiles_bytes(shape, matrix->encoding);
        uint64_t *phase = m == PSTI_MATRIX_INPUT ? &bytes.critical : &bytes.settle;
        *phase += tiles + (matrix->scale ? lanes * sizeof(float) : 0);
        if (m == (psti_program_has_h(layer) ? PSTI_MATRIX_RECURRENT : PSTI_MATRIX_INPUT) && layer->bias)
            *phase += lanes * sizeof(float);
        if (m == PSTI_MATRIX_INPUT_REST && layer->rest_bias)
            *phase += lanes * sizeof(float);
        bytes.padding += tiles - psti_used_bytes(shape, matrix->encoding);
    }
    return bytes;
}

uint64_t psti_program_units(const pst_program *p) {
    uint64_t units = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        if (psti_program_kinds[p->layers[i].kind]->has_state)
            units += p->layers[i].outputs;
    }
    return units;
}

uint64_t psti_program_state_bytes(const pst_program *p) {
    static const uint64_t operand_bytes[PSTI_OPERANDS] = {4, 2, 2, 1};
    uint64_t bytes = 32 + 8;
    for (uint32_t i = 0; i < p->count; i++) {
        const psti_program_layer *layer = &p->layers[i];
        if (!psti_program_kinds[layer->kind]->has_state)
            continue;
        uint64_t of_h = operand_bytes[psti_encodings[layer->matrix[PSTI_MATRIX_RECURRENT].encoding].operand];
        bytes += (layer->outputs * (sizeof(float) + of_h) + 7) / 8 * 8;
        if (psti_program_has(layer, PSTI_MATRIX_INPUT_REST)) {
            uint64_t of_x = operand_bytes[psti_encodings[layer->matrix[PSTI_MATRIX_INPUT].encoding].operand];
            bytes += (layer->inputs * of_x + sizeof(float) + 7) / 8 * 8;
        }
    }
    return bytes;
}

pst_status pst_program_get_info(const pst_program *p, pst_info *out) {
    if (!p)
        return psti_fail_null("p");
    pst_status status = psti_check_info(out, sizeof(size_t), "pst_info");
    if (status)
        return status;
    pst_info own = {.layers = p->count,
                    .inputs = p->inputs,
                    .outputs = p->outputs,
                    .parameters = p->parameters,
                    .state_bytes = psti_program_state_bytes(p),
                    .hash = p->hash,
                    .format = p->format,
                    .readout = psti_readout_names[p->readout]};
    for (uint32_t i = 0; i < p->count; i++) {
        psti_bytes bytes = layer_bytes(&p->layers[i]);
        own.critical_bytes += bytes.critical;
        own.settle_bytes += bytes.settle;
        own.padding_bytes += bytes.padding;
    }
    psti_give_info(out, &own, sizeof own);
    return PST_OK;
}

/* Whether a layer's h is held as integers of the static scale: for its own recurrent matrix, or for the matrix above.
 */
static int scales_h(const pst_program *p, uint32_t index) {
    const psti_program_layer *layer = &p->layers[index], *above = layer + 1;
    if (!psti_program_kinds[layer->kind]->has_state)
        return 0;
    return psti_encoding_scaled(layer->matrix[PSTI_MATRIX_RECURRENT].encoding) ||
           (index + 1 < p->count && psti_program_has(above, PSTI_MATRIX_INPUT) &&
            psti_encoding_scaled(above->matrix[PSTI_MATRIX_INPUT].encoding));
}

pst_status pst_program_get_layer(const pst_program *p, uint32_t index, pst_layer_info *out) {
    if (!p)
        return psti_fail_null("p");
    pst_status status = psti_check_info(out, sizeof(size_t), "pst_layer_info");
    if (status)
        return status;
    if (index >= p->count)
        return psti_fail(PST_E_ARGUMENT,
                         (psti_where){.item = "index", .expected = (int64_t)p->count - 1, .found = index},
                         "index is %" PRIu32 ", but the program has layers 0 to %" PRIu32, index, p->count - 1);
    const psti_program_layer *layer = &p->layers[index];
    const psti_kind *kind = psti_kinds[layer->kind];
    psti_bytes bytes = layer_bytes(layer);
    pst_layer_info own = {.kind = kind->name,
                          .function = kind->takes_function ? psti_activation_names[layer->function] : NULL,
                          .inputs = layer->inputs,
                          .outputs = layer->outputs,
                          .parameters = layer->parameters,
                          .critical_bytes = bytes.critical,
                          .settle_bytes = bytes.settle,
                          .padding_bytes = bytes.padding,
                          .h_scale = scales_h(p, index) ? (double)layer->h_scale : 0,
                          .h_scale_8 = scales_h(p, index) ? (double)layer->h_scale_8 : 0,
                          .rho = (double)layer->rho,
                          .matrices = psti_program_matrices(layer),
                          .alpha = (double)layer->alpha,
                          .beta = (double)layer->beta};
    if (psti_program_has(layer, PSTI_MATRIX_INPUT))
        own.input_encoding = psti_encodings[layer->matrix[PSTI_MATRIX_INPUT].encoding].name;
    if (psti_program_has(layer, PSTI_MATRIX_RECURRENT))
        own.recurrent_encoding = psti_encodings[layer->matrix[PSTI_MATRIX_RECURRENT].encoding].name;
    psti_give_info(out, &own, sizeof own);
    return PST_OK;
}

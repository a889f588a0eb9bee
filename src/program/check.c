/* Checking the values of a program that came from a file: whatever passes is something this library could have written,
 * so that no kernel needs to look again. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/number.h"
#include "base/status.h"
#include "program/layout.h"

#define LARGEST_BIAS 0x1p42f   /* two of PSTI_MAX_WEIGHT, with room */
#define SMALLEST_BIAS 0x1p-80f /* below it, a bias is 0: docs/numerics.md */

#define SMALLEST_H_SCALE 0x1p-40f

typedef struct {
    const char *name, *file;
    char item[64];
} checking;

static pst_status bad(const checking *c, const char *field, const char *why) {
    return psti_fail(PST_E_CORRUPT, (psti_where){.file = c->file, .item = c->item, .field = field}, "%s: %s, %s: %s",
                     c->name, c->item, field, why);
}

static pst_status check_place(const checking *c, const pst_program *p, uint32_t index) {
    const psti_program_layer *layer = &p->layers[index];
    const psti_kind *kind = psti_kinds[layer->kind];
    if (kind->keeps_width && index == 0)
        return bad(c, "kind", "is the first layer, but needs a layer below it");
    if (kind->only_last && index + 1 < p->count)
        return bad(c, "kind", "has a layer above it, but may only be the last layer");
    if (index > 0 && layer->inputs != p->layers[index - 1].outputs)
        return psti_fail(PST_E_CORRUPT,
                         (psti_where){.file = c->file,
                                      .item = c->item,
                                      .field = "inputs",
                                      .expected = p->layers[index - 1].outputs,
                                      .found = layer->inputs},
                         "%s: %s, inputs: %" PRIu32 " expected (the outputs of the layer below), %" PRIu32 " found",
                         c->name, c->item, p->layers[index - 1].outputs, layer->inputs);
    if (kind->keeps_width && layer->outputs != layer->inputs)
        return psti_fail(PST_E_CORRUPT,
                         (psti_where){.file = c->file,
                                      .item = c->item,
                                      .field = "outputs",
                                      .expected = layer->inputs,
                                      .found = layer->outputs},
                         "%s: %s, outputs: %" PRIu32 " expected (its inputs), %" PRIu32 " found", c->name, c->item,
                         layer->inputs, layer->outputs);
    return PST_OK;
}

/* 0 or in range, and not the -0 that no program has. */
static int sound_bias(float v) {
    return psti_bits(v) == 0 || (fabsf(v) >= SMALLEST_BIAS && fabsf(v) <= LARGEST_BIAS);
}

static pst_status check_bias(const checking *c, const psti_program_layer *layer, const char *name, const float *bias) {
    const psti_shape *shape = &layer->matrix[0].shape;
    uint32_t lanes = PSTI_LANES * psti_shape_vectors(shape);
    for (uint32_t lane = 0; lane < lanes; lane++) {
        if (psti_shape_row(shape, lane) < 0) {
            if (psti_bits(bias[lane]))
                return bad(c, name, "padding is not 0");
        } else if (!sound_bias(bias[lane])) {
            return bad(c, name, "a value is not finite or out of range");
        }
    }
    return PST_OK;
}

static pst_status check_state(const checking *c, const char *field, const float *values, uint32_t n) {
    for (uint32_t i = 0; values && i < n; i++) {
        if (!(fabsf(values[i]) <= PSTI_MAX_WEIGHT))
            return bad(c, field, "a value is not finite or beyond 2^40");
    }
    return PST_OK;
}

/* 2^k, k from -40 (below, its products with row scales could be denormal) to 0: only the exponent is set. */
static int sound_h_scale(float v) {
    uint32_t bits = psti_bits(v);
    return !(bits & 0x807fffff) && v >= SMALLEST_H_SCALE && v <= 1.0f;
}

static pst_status check_settings(const checking *c, const psti_program_layer *layer) {
    int takes = psti_kinds[layer->kind]->takes_function;
    if (takes ? !(fabsf(layer->alpha) <= PSTI_MAX_WEIGHT) : psti_bits(layer->alpha) != 0)
        return bad(c, "alpha", takes ? "not finite or beyond 2^40" : "given, but this kind takes none");
    if (takes ? !(fabsf(layer->beta) <= PSTI_MAX_WEIGHT) : psti_bits(layer->beta) != 0)
        return bad(c, "beta", takes ? "not finite or beyond 2^40" : "given, but this kind takes none");
    if (psti_bits(psti_flush(layer->alpha, -80)) != psti_bits(layer->alpha))
        return bad(c, "alpha", "below 2^-80 but not 0");
    if (psti_bits(psti_flush(layer->beta, -80)) != psti_bits(layer->beta))
        return bad(c, "beta", "below 2^-80 but not 0");
    if (takes && layer->function == PSTI_ACTIVATION_clip && !(layer->alpha <= layer->beta))
        return bad(c, "alpha", "clip's alpha is above its beta");
    if (psti_program_kinds[layer->kind]->has_state ? !sound_h_scale(layer->h_scale) : layer->h_scale != 1.0f)
        return bad(c, "h_scale", "not a power of two from 2^-40 to 1, or not 1 in a layer without h");
    if (psti_program_kinds[layer->kind]->has_state ? !(layer->h_scale_8 >= SMALLEST_H_SCALE && layer->h_scale_8 <= 1)
                                                   : layer->h_scale_8 != 1.0f)
        return bad(c, "h_scale_8", "not from 2^-40 to 1, or not 1 in a layer without h");
    /* Every weight is a parameter; biases and what else a kind may count are at most 16 an output. */
    uint64_t weights = 0;
    for (uint32_t m = 0; m < psti_program_kinds[layer->kind]->matrices; m++) {
        const psti_shape *shape = &layer->matrix[m].shape;
        weights += (uint64_t)shape->gates * shape->units * shape->inputs;
    }
    uint64_t most = weights + (weights ? (uint64_t)16 * layer->outputs : 0);
    if (layer->parameters < weights || layer->parameters > most)
        return bad(c, "parameters", "contradicts the sizes");
    return PST_OK;
}

/* A rest is in 8 bits, and reads what the matrix that leaves it reads, an operand of integers. */
static pst_status check_rests(const checking *c, const psti_program_layer *layer) {
    static const uint32_t of[PSTI_MATRICES] = {
        [PSTI_MATRIX_RECURRENT_REST] = PSTI_MATRIX_RECURRENT, [PSTI_MATRIX_INPUT_REST] = PSTI_MATRIX_INPUT};
    for (uint32_t m = PSTI_MATRIX_RECURRENT_REST; m < PSTI_MATRICES; m++) {
        if (!psti_program_has(layer, m))
            continue;
        const psti_encoding *rest = &psti_encodings[layer->matrix[m].encoding];
        if (rest->bits != 8 || rest->operand != psti_encodings[layer->matrix[of[m]].encoding].operand)
            return bad(c, psti_matrix_names[m], "not in 8 bits, or of another operand than what leaves it");
    }
    int has = psti_program_has(layer, PSTI_MATRIX_INPUT_REST);
    float size = fabsf(layer->rho);
    if (has ? !(psti_bits(layer->rho) == 0 || (size >= 0x1p-10f && size <= 1)) : psti_bits(layer->rho) != 0)
        return bad(c, "rho", has ? "not 0 and not from 2^-10 to 1" : "given, but W_ih leaves no rest");
    if (layer->rest_bias && !has)
        return bad(c, "rest bias", "given, but W_ih leaves no rest");
    return layer->mends && !has ? bad(c, "mends", "given, but W_ih leaves no rest") : PST_OK;
}

/* 2^-k of the features of x, which only a first layer of an integer encoding takes. */
static pst_status check_feature(const checking *c, const pst_program *p, uint32_t index) {
    const psti_program_layer *layer = &p->layers[index];
    if (!layer->feature)
        return PST_OK;
    if (index || !psti_encoding_scaled(layer->matrix[PSTI_MATRIX_INPUT].encoding))
        return bad(c, "feature scales", "given, but not in a first layer of integers");
    for (uint32_t i = 0; i < layer->inputs; i++)
        if (psti_bits(layer->feature[i]) & 0x807fffff || !(layer->feature[i] >= 0x1p-40f && layer->feature[i] <= 1))
            return bad(c, "feature scales", "not a power of two from 2^-40 to 1");
    return PST_OK;
}

static pst_status check_layer(const checking *c, const pst_program *p, uint32_t index) {
    const psti_program_layer *layer = &p->layers[index];
    static const char *const matrix[PSTI_MATRICES] = {"matrix 0", "matrix 1", "matrix 2", "matrix 3"};
    pst_status status = check_place(c, p, index);
    if (!status)
        status = check_settings(c, layer);
    if (!status && layer->bias)
        status = check_bias(c, layer, "bias", layer->bias);
    if (!status && layer->rest_bias)
        status = check_bias(c, layer, "rest bias", layer->rest_bias);
    if (!status)
        status = check_state(c, "h0", layer->h0, layer->outputs);
    if (!status)
        status = check_state(c, "c0", layer->c0, layer->outputs);
    if (!status && psti_program_kinds[layer->kind]->has_state)
        status = psti_program_check_h0(layer, index, c->file);
    if (!status)
        status = check_rests(c, layer);
    if (!status)
        status = check_feature(c, p, index);
    for (uint32_t m = 0; m < PSTI_MATRICES && !status; m++) {
        const psti_matrix *of = &layer->matrix[m];
        if (!psti_program_has(layer, m))
            continue;
        const char *unsound = psti_tiles_check(&of->shape, of->encoding, of->tiles, of->scale);
        if (unsound)
            status = bad(c, matrix[m], unsound);
    }
    return status;
}

pst_status psti_program_check(const pst_program *p, const char *name, const char *file) {
    checking c = {.name = name, .file = file};
    for (uint32_t i = 0; i < p->count; i++) {
        snprintf(c.item, sizeof c.item, "layer %" PRIu32 " (%s)", i, psti_kinds[p->layers[i].kind]->name);
        pst_status status = check_layer(&c, p, i);
        if (status)
            return status;
    }
    return PST_OK;
}

/* A Linear in the engine. */
#include "engine/kinds.h"

static int reads(const psti_program_layer *layer) {
    return layer->matrix[PSTI_MATRIX_INPUT].encoding;
}

static void place(psti_engine *e, psti_placed *layer, size_t *slot_bytes) {
    (void)slot_bytes;
    layer->linear = psti_kernels_linear(&e->kernels, layer->matrix[PSTI_MATRIX_INPUT].encoding);
}

static void respond(const psti_engine *e, const psti_placed *layer, char *slot) {
    const psti_placed_matrix *m = &layer->matrix[PSTI_MATRIX_INPUT];
    psti_layer_args args = {.shape = &m->shape,
                            .tiles = m->tiles,
                            .scale = m->scale,
                            .bracket = layer->bias,
                            .x = psti_vector_operand(layer->in, slot, m->encoding),
                            .first = 0,
                            .last = m->shape.wide,
                            .out = {.value = (float *)(slot + layer->out->value)}};
    layer->linear(&args);
    psti_vector_publish(e, layer->out, slot);
}

const psti_engine_kind psti_engine_linear = {reads, place, respond};

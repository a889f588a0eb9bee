/* An lstm in the engine: its respond, and the units of its settle. */
#include "engine/kinds.h"

static int reads(const psti_program_layer *layer) {
    return layer->matrix[PSTI_MATRIX_INPUT].encoding;
}

/* Inputs that one settle unit takes of a block, whole runs. */
static uint32_t unit_inputs(const psti_placed_matrix *m, int narrow) {
    size_t run = (size_t)PSTI_RUN * (narrow ? 1 : PSTI_GATES) * PSTI_LANES * psti_encoding_bytes(m->encoding);
    return (uint32_t)(PSTI_UNIT_BYTES / run) * PSTI_RUN;
}

static uint32_t units_of(uint32_t inputs, uint32_t per_unit) {
    return (inputs + per_unit - 1) / per_unit;
}

static void place(psti_engine *e, psti_placed *layer, size_t *slot_bytes) {
    const psti_placed_matrix *hh = &layer->matrix[PSTI_MATRIX_RECURRENT];
    layer->lstm = psti_kernels_lstm(&e->kernels, layer->matrix[PSTI_MATRIX_INPUT].encoding);
    layer->settle = psti_kernels_settle(&e->kernels, hh->encoding);
    layer->c = *slot_bytes;
    *slot_bytes += ((size_t)layer->outputs + PSTI_LANES - 1) / PSTI_LANES * 64;
    layer->bracket = *slot_bytes;
    *slot_bytes += (size_t)psti_shape_vectors(&hh->shape) * 64;
    layer->inputs_per_unit = unit_inputs(hh, 0);
    layer->inputs_per_narrow_unit = unit_inputs(hh, 1);
    layer->settle_units = hh->shape.wide * units_of(hh->shape.padded_inputs, layer->inputs_per_unit) +
                          hh->shape.narrow * units_of(hh->shape.padded_inputs, layer->inputs_per_narrow_unit);
}

static void respond(const psti_engine *e, const psti_placed *layer, char *slot) {
    const psti_placed_matrix *ih = &layer->matrix[PSTI_MATRIX_INPUT];
    (void)e;
    psti_layer_args args = {.shape = &ih->shape,
                            .tiles = ih->tiles,
                            .scale = ih->scale,
                            .bracket = (const float *)(slot + layer->bracket),
                            .x = psti_vector_operand(layer->in, slot, ih->encoding),
                            .first = 0,
                            .last = ih->shape.wide + ih->shape.narrow,
                            .c_before = (const float *)(slot + layer->c),
                            .c = (float *)(slot + layer->c),
                            .out = psti_vector_sink(layer->out, slot)};
    layer->lstm(&args);
}

const psti_engine_kind psti_engine_lstm = {reads, place, respond};

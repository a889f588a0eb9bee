/* An lstm in the engine: its respond, and the units of its settle. */
#include "engine/kinds.h"
#include "engine/place.h"
#include "engine/take.h"

static int reads(const psti_program_layer *layer) {
    return layer->matrix[PSTI_MATRIX_INPUT].encoding;
}

/* At multiples of 4 units, so that 100 or 480 units divide evenly. The first cores get the smaller slices: core 0 also
 * has the Linear. */
static void cut(const pst_program *p, uint32_t index, uint32_t cores, uint32_t *border) {
    uint32_t units = p->layers[index].outputs;
    uint64_t narrow = (units + PSTI_NARROW - 1) / PSTI_NARROW;
    for (uint32_t k = 0; k <= cores; k++) {
        uint32_t at = PSTI_NARROW * (uint32_t)(narrow * k / cores);
        border[k] = at < units ? at : units;
    }
}

/* Inputs that one settle unit takes of a block, whole runs. */
static uint32_t unit_inputs(const psti_placed_matrix *m, int narrow) {
    size_t run =
        (size_t)PSTI_RUN * (narrow ? 1 : PSTI_GATES) * PSTI_LANES * (size_t)psti_encodings[m->encoding].bits / 8;
    return (uint32_t)(PSTI_UNIT_BYTES / run) * PSTI_RUN;
}

static uint32_t units_of(uint32_t inputs, uint32_t per_unit) {
    return (inputs + per_unit - 1) / per_unit;
}

static void add_term(const psti_kernels *k, psti_placed *layer, int matrix) {
    const psti_placed_matrix *m = &layer->matrix[matrix];
    psti_term *term = &layer->term[layer->terms++];
    *term = (psti_term){.settle = psti_kernels_settle(k, m->encoding),
                        .matrix = matrix,
                        .of_input = matrix == PSTI_MATRIX_INPUT_REST,
                        .inputs_per_unit = unit_inputs(m, 0),
                        .inputs_per_narrow_unit = unit_inputs(m, 1)};
    term->units = m->shape.wide * units_of(m->shape.padded_inputs, term->inputs_per_unit) +
                  m->shape.narrow * units_of(m->shape.padded_inputs, term->inputs_per_narrow_unit);
    layer->settle_units += term->units;
}

static void place(psti_core *core, psti_placed *layer) {
    const psti_kernels *k = &core->engine->kernels;
    const psti_shape *shape = &layer->matrix[PSTI_MATRIX_INPUT].shape;
    size_t lanes = (size_t)psti_shape_vectors(shape) * 64;
    int input = layer->matrix[PSTI_MATRIX_INPUT].encoding;
    layer->lstm = psti_kernels_lstm(k, input);
    layer->ahead = psti_kernels_ahead(k, input);
    for (int parity = 0; parity < 2; parity++)
        layer->c[parity] = psti_core_reserve(core, ((size_t)layer->units + PSTI_LANES - 1) / PSTI_LANES * 64);
    layer->bracket = psti_core_reserve(core, lanes);
    for (int matrix = PSTI_MATRIX_RECURRENT; matrix < PSTI_MATRICES; matrix++)
        if (layer->matrix[matrix].tiles)
            add_term(k, layer, matrix);
    if (!layer->matrix[PSTI_MATRIX_INPUT_REST].tiles)
        return;
    for (int parity = 0; parity < 2; parity++) {
        layer->rest[parity] = psti_core_reserve(core, lanes);
        layer->gates[parity] = psti_core_reserve(core, lanes);
    }
    layer->settle_units += psti_mend_units(shape);
}

static int respond(psti_core *core, const psti_placed *layer, const psti_turn *turn) {
    const psti_placed_matrix *ih = &layer->matrix[PSTI_MATRIX_INPUT];
    char *slot = turn->slot;
    psti_layer_args args = {.shape = &ih->shape,
                            .tiles = ih->tiles,
                            .scale = ih->scale,
                            .bracket = (const float *)(slot + layer->bracket),
                            .x = psti_vector_operand(layer->in, slot, turn->now, ih->encoding),
                            .first = 0,
                            .last = ih->shape.wide + ih->shape.narrow,
                            .c_before = (const float *)(slot + layer->c[!turn->now]),
                            .c = (float *)(slot + layer->c[turn->now]),
                            .gates = layer->mends ? (float *)(slot + layer->gates[turn->now]) : NULL,
                            .out = psti_vector_sink(layer->out, slot, turn->now, layer->first)};
    if (psti_take_input(core, layer->in, turn, layer->ahead, &args))
        return 1;
    if (layer->in->exponent_scale[0] != PSTI_NOWHERE) /* of this step: known only now */
        args.x = psti_vector_operand(layer->in, slot, turn->now, ih->encoding);
    layer->lstm(&args);
    psti_give(layer->out, turn);
    return 0;
}

const psti_engine_kind psti_engine_lstm = {reads, 1, cut, place, respond};

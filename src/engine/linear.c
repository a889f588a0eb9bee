/* A Linear in the engine. */
#include "engine/kinds.h"
#include "engine/take.h"

/* What a core must be spared of the last layer's weights before its outputs are worth a way of their own to the caller:
 * at 100 GB/s this takes 160 ns, about what publishing, one hop and copying cost. */
#define WORTH_A_HOP 16384

static int reads(const psti_program_layer *layer) {
    return layer->matrix[PSTI_MATRIX_INPUT].encoding;
}

/* In tiles of 16 outputs. The last matrix of a program stays whole on core 0, unless dividing it spares enough. */
static void cut(const pst_program *p, uint32_t index, uint32_t cores, uint32_t *border) {
    const psti_program_layer *layer = &p->layers[index];
    const psti_matrix *m = &layer->matrix[PSTI_MATRIX_INPUT];
    uint64_t tiles = m->shape.wide, bytes = psti_tiles_bytes(&m->shape, m->encoding);
    int last = 1;
    for (uint32_t i = index + 1; i < p->count; i++)
        last &= !psti_program_has(&p->layers[i], PSTI_MATRIX_INPUT);
    int divided = !last || bytes - bytes / cores >= WORTH_A_HOP;
    border[0] = 0;
    for (uint32_t k = 1; k <= cores; k++) {
        uint32_t at = divided ? PSTI_BLOCK * (uint32_t)((tiles * k + cores - 1) / cores) : layer->outputs;
        border[k] = at < layer->outputs ? at : layer->outputs;
    }
}

static void place(psti_core *core, psti_placed *layer) {
    layer->linear = psti_kernels_linear(&core->engine->kernels, layer->matrix[PSTI_MATRIX_INPUT].encoding);
    layer->ahead = psti_kernels_ahead(&core->engine->kernels, layer->matrix[PSTI_MATRIX_INPUT].encoding);
}

static int respond(psti_core *core, const psti_placed *layer, const psti_turn *turn) {
    const psti_placed_matrix *m = &layer->matrix[PSTI_MATRIX_INPUT];
    psti_layer_args args = {.shape = &m->shape,
                            .tiles = m->tiles,
                            .scale = m->scale,
                            .bracket = layer->bias,
                            .x = psti_vector_operand(layer->in, turn->slot, turn->now, m->encoding),
                            .first = 0,
                            .last = m->shape.wide,
                            .out = {.value = (float *)(turn->slot + layer->out->value) + layer->first}};
    if (psti_take_input(core, layer->in, turn, layer->ahead, &args))
        return 1;
    if (layer->in->exponent_scale[0] != PSTI_NOWHERE) /* of this step: known only now */
        args.x = psti_vector_operand(layer->in, turn->slot, turn->now, m->encoding);
    layer->linear(&args);
    psti_give(layer->out, turn);
    return 0;
}

const psti_engine_kind psti_engine_linear = {reads, 1, cut, place, respond};

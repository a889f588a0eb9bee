/* softmax in the engine: over all features of the layer below, on core 0. */
#include "engine/kinds.h"
#include "engine/take.h"

static int reads(const psti_program_layer *layer) {
    (void)layer;
    return -1;
}

static void cut(const pst_program *p, uint32_t index, uint32_t cores, uint32_t *border) {
    border[0] = 0;
    for (uint32_t k = 1; k <= cores; k++)
        border[k] = p->layers[index].outputs;
}

static void place(psti_core *core, psti_placed *layer) {
    (void)core;
    (void)layer;
}

static int respond(psti_core *core, const psti_placed *layer, const psti_turn *turn) {
    float *value = (float *)(turn->slot + layer->out->value);
    if (psti_take_slices(core, layer->in, turn))
        return 1;
    memcpy(value, turn->slot + layer->in->value, layer->outputs * sizeof *value);
    core->engine->kernels.softmax_f32(value, layer->outputs);
    psti_give(layer->out, turn);
    return 0;
}

const psti_engine_kind psti_engine_softmax = {reads, 1, cut, place, respond};

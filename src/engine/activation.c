/* An activation in the engine: over the fp32 values of the layer below, into its own, slice by slice. */
#include "engine/kinds.h"
#include "engine/take.h"

#define PSTI_ACTIVATION(name, alpha, beta) [PSTI_ACTIVATION_##name] = PSTI_FUNCTION_##name,
static const int functions[PSTI_ACTIVATIONS] = {
#include "model/activations.def"
};
#undef PSTI_ACTIVATION

static int reads(const psti_program_layer *layer) {
    (void)layer;
    return -1;
}

static void place(psti_core *core, psti_placed *layer) {
    (void)core;
    layer->function = functions[layer->function];
}

static int respond(psti_core *core, const psti_placed *layer, const psti_turn *turn) {
    float *value = (float *)(turn->slot + layer->out->value) + layer->first;
    memcpy(value, (float *)(turn->slot + layer->in->value) + layer->first, layer->units * sizeof *value);
    core->engine->kernels.activation_f32(value, layer->units, layer->function, layer->alpha, layer->beta);
    psti_give(layer->out, turn);
    return 0;
}

const psti_engine_kind psti_engine_activation = {reads, 0, NULL, place, respond};

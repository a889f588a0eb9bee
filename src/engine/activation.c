/* An activation in the engine: over the fp32 values of the layer below, into its own. */
#include "engine/kinds.h"

#define PSTI_ACTIVATION(name, alpha, beta) [PSTI_ACTIVATION_##name] = PSTI_FUNCTION_##name,
static const int functions[PSTI_ACTIVATIONS] = {
#include "model/activations.def"
};
#undef PSTI_ACTIVATION

static int reads(const psti_program_layer *layer) {
    (void)layer;
    return -1;
}

static void place(psti_engine *e, psti_placed *layer, size_t *slot_bytes) {
    (void)e;
    (void)slot_bytes;
    layer->function = functions[layer->function];
}

static void respond(const psti_engine *e, const psti_placed *layer, char *slot) {
    float *value = (float *)(slot + layer->out->value);
    memcpy(value, slot + layer->in->value, layer->outputs * sizeof *value);
    e->kernels.activation_f32(value, layer->outputs, layer->function, layer->alpha, layer->beta);
    psti_vector_publish(e, layer->out, slot);
}

const psti_engine_kind psti_engine_activation = {reads, place, respond};

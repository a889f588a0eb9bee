/* softmax in the engine: over all features of the layer below. */
#include "engine/kinds.h"

static int reads(const psti_program_layer *layer) {
    (void)layer;
    return -1;
}

static void place(psti_engine *e, psti_placed *layer, size_t *slot_bytes) {
    (void)e;
    (void)layer;
    (void)slot_bytes;
}

static void respond(const psti_engine *e, const psti_placed *layer, char *slot) {
    float *value = (float *)(slot + layer->out->value);
    memcpy(value, slot + layer->in->value, layer->outputs * sizeof *value);
    e->kernels.softmax_f32(value, layer->outputs);
}

const psti_engine_kind psti_engine_softmax = {reads, place, respond};

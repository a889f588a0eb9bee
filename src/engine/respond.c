/* Respond: from x in the caller's buffer to y in the caller's buffer. */
#include "engine/engine.h"

void psti_respond(const psti_engine *e, char *slot, const float *x, uint32_t largest_bits, float *y) {
    psti_vector_encode(&e->kernels, &e->vectors[0], slot, x, largest_bits);
    for (uint32_t i = 0; i < e->count; i++)
        e->layers[i].of->respond(e, &e->layers[i], slot);
    memcpy(y, slot + e->vectors[e->count].value, e->outputs * sizeof *y);
}

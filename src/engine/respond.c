/* Respond: one core's part of a step, from x (or its lines) to the slices that it makes. */
#include "engine/take.h"

int psti_respond(psti_core *core, psti_part *part, const psti_turn *turn) {
    const uint32_t count = core->engine->count;
    for (uint32_t i = 0; i < count; i++) {
        const psti_placed *layer = &core->layers[i];
        if (!layer->units)
            continue;
        if (part->owing)
            psti_settle_to(core, part, i);
        if (layer->of->respond(core, layer, turn))
            return 1;
    }
    /* What no layer here has read: y, and an h that only the next settle needs. */
    for (uint32_t v = 1; v <= count && turn->tag; v++)
        if (psti_take_slices(core, &core->vectors[v], turn))
            return 1;
    return 0;
}

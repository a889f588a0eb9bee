/* Settle: every layer's bracket for the next step, in units that can be interrupted; then, where a core's weights do
 * not fit its L2, a read of respond's first weights, which settle has pushed out. */
#include "engine/engine.h"

/* One unit: of one block, the inputs that the layer's unit takes. */
static void settle_unit(const psti_core *core, const psti_placed *layer, psti_part *part) {
    const psti_placed_matrix *m = &layer->matrix[PSTI_MATRIX_RECURRENT];
    psti_cursor *at = &part->cursor;
    uint32_t per_unit = at->block < m->shape.wide ? layer->inputs_per_unit : layer->inputs_per_narrow_unit;
    uint32_t rest = m->shape.padded_inputs - at->from, take = rest < per_unit ? rest : per_unit;
    psti_settle_args args = {.shape = &m->shape,
                             .tiles = m->tiles,
                             .scale = m->scale,
                             .bias = layer->bias,
                             .bracket = (float *)(part->slot + layer->bracket),
                             .h = psti_vector_operand(layer->out, part->slot, (int)(part->time & 1), m->encoding),
                             .block = at->block,
                             .from = at->from,
                             .to = at->from + take,
                             .partial = (psti_partial *)(part->slot + core->partial)};
    layer->settle(&args);
    at->done++;
    at->from += take;
    if (at->from == m->shape.padded_inputs) {
        at->from = 0;
        at->block++;
    }
}

/* One unit of the brackets of the layers up to `last`; 0 if all of them are whole. */
static int bracket_unit(const psti_core *core, psti_part *part, uint32_t last) {
    psti_cursor *at = &part->cursor;
    while (at->done < core->settle_units && at->layer <= last) {
        const psti_placed *layer = &core->layers[at->layer];
        const psti_shape *s = &layer->matrix[PSTI_MATRIX_RECURRENT].shape;
        if (layer->settle_units && at->block < s->wide + s->narrow) {
            settle_unit(core, layer, part);
            return 1;
        }
        at->layer++;
        at->block = 0;
    }
    return 0;
}

static void touch_unit(const psti_core *core, psti_part *part) {
    size_t at = (size_t)(part->cursor.done - core->settle_units) * PSTI_UNIT_BYTES, left = core->touch_bytes - at;
    const unsigned char *weights = core->pages.address;
    (void)core->engine->kernels.read_f32(weights + at, left < PSTI_UNIT_BYTES ? left : PSTI_UNIT_BYTES);
    part->cursor.done++;
}

uint32_t psti_settle_some(const psti_core *core, psti_part *part, uint32_t units) {
    uint32_t all = core->settle_units + core->touch_units;
    for (; units && part->cursor.done < all; units--)
        if (!bracket_unit(core, part, UINT32_MAX))
            touch_unit(core, part);
    return all - part->cursor.done;
}

void psti_settle_all(const psti_core *core, psti_part *part) {
    psti_settle_some(core, part, UINT32_MAX);
}

void psti_settle_to(const psti_core *core, psti_part *part, uint32_t layer) {
    while (bracket_unit(core, part, layer))
        ;
}

/* Settle: every layer's bracket for the next step, in units that can be interrupted. */
#include "engine/engine.h"

/* One unit: of one block, the inputs that the layer's unit takes. */
static void settle_unit(const psti_engine *e, const psti_placed *layer, char *slot, psti_cursor *at) {
    const psti_placed_matrix *m = &layer->matrix[PSTI_MATRIX_RECURRENT];
    uint32_t per_unit = at->block < m->shape.wide ? layer->inputs_per_unit : layer->inputs_per_narrow_unit;
    uint32_t rest = m->shape.padded_inputs - at->from, take = rest < per_unit ? rest : per_unit;
    psti_settle_args args = {.shape = &m->shape,
                             .tiles = m->tiles,
                             .scale = m->scale,
                             .bias = layer->bias,
                             .bracket = (float *)(slot + layer->bracket),
                             .h = psti_vector_operand(layer->out, slot, m->encoding),
                             .block = at->block,
                             .from = at->from,
                             .to = at->from + take,
                             .partial = (psti_partial *)(slot + e->partial)};
    layer->settle(&args);
    at->done++;
    at->from += take;
    if (at->from == m->shape.padded_inputs) {
        at->from = 0;
        at->block++;
    }
}

uint32_t psti_settle_some(const psti_engine *e, char *slot, psti_cursor *at, uint32_t units) {
    while (units && at->done < e->settle_units) {
        const psti_placed *layer = &e->layers[at->layer];
        const psti_shape *s = &layer->matrix[PSTI_MATRIX_RECURRENT].shape;
        if (!layer->settle_units || at->block == s->wide + s->narrow) {
            at->layer++;
            at->block = 0;
            continue;
        }
        settle_unit(e, layer, slot, at);
        units--;
    }
    return e->settle_units - at->done;
}

void psti_settle_all(const psti_engine *e, char *slot, psti_cursor *at) {
    psti_settle_some(e, slot, at, UINT32_MAX);
}

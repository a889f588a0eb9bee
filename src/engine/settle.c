/* Settle: every layer's bracket for the next step, in units that can be interrupted; then, where a core's weights do
 * not fit its L2, a read of respond's first weights, which settle has pushed out. */
#include "engine/engine.h"

/* One unit of a product: of one block, the inputs that the term takes at once. The first term's brackets begin with the
 * biases, the next ones' with what is there. The input's rest is kept by itself: the brackets get a share of it. */
static void settle_unit(const psti_core *core, const psti_placed *layer, psti_part *part) {
    psti_cursor *at = &part->cursor;
    const psti_term *term = &layer->term[at->term];
    const psti_placed_matrix *m = &layer->matrix[term->matrix];
    const psti_vector *operand = term->of_input ? layer->in : layer->out;
    int now = (int)(part->time & 1);
    uint32_t per_unit = at->block < m->shape.wide ? term->inputs_per_unit : term->inputs_per_narrow_unit;
    uint32_t rest = m->shape.padded_inputs - at->from, take = rest < per_unit ? rest : per_unit;
    float *bracket = (float *)(part->slot + layer->bracket);
    psti_operand of = psti_vector_operand(operand, part->slot, now, m->encoding);
    const float *begin = at->term ? bracket : layer->bias;
    if (term->of_input) /* before the first step there is no input, and no mean of it either */
        begin = of.scale > 0 ? layer->rest_bias : NULL;
    psti_settle_args args = {.shape = &m->shape,
                             .tiles = m->tiles,
                             .scale = m->scale,
                             .bias = begin,
                             .bracket = term->of_input ? (float *)(part->slot + layer->rest[now]) : bracket,
                             .h = of,
                             .block = at->block,
                             .from = at->from,
                             .to = at->from + take,
                             .partial = (psti_partial *)(part->slot + core->partial)};
    term->settle(&args);
    at->from += take;
    if (at->from == m->shape.padded_inputs) {
        at->from = 0;
        at->block++;
    }
}

/* Some blocks' share of the input's rest, which is whole, into their brackets; and c of the step mended. */
static void mend_unit(const psti_core *core, const psti_placed *layer, psti_part *part) {
    const psti_shape *s = &layer->matrix[PSTI_MATRIX_INPUT].shape;
    int now = (int)(part->time & 1);
    uint32_t blocks = s->wide + (s->narrow != 0), first = part->cursor.block;
    psti_mend_args args = {.shape = s,
                           .rho = layer->rho,
                           .rest = (const float *)(part->slot + layer->rest[now]),
                           .rest_before = (const float *)(part->slot + layer->rest[!now]),
                           .bracket = (float *)(part->slot + layer->bracket),
                           .first = first,
                           .last = first + PSTI_MEND_BLOCKS < blocks ? first + PSTI_MEND_BLOCKS : blocks};
    if (layer->mends && part->mendable) {
        args.gates = (const float *)(part->slot + layer->gates[now]);
        args.c_before = (const float *)(part->slot + layer->c[!now]);
        args.c = (float *)(part->slot + layer->c[now]);
    }
    core->engine->kernels.mend_f32(&args);
    part->cursor.block = args.last;
}

/* One unit of the brackets of the layers up to `last`; 0 if all of them are whole. */
static int bracket_unit(const psti_core *core, psti_part *part, uint32_t last) {
    psti_cursor *at = &part->cursor;
    while (at->done < core->settle_units && at->layer <= last) {
        const psti_placed *layer = &core->layers[at->layer];
        const psti_shape *s = &layer->matrix[PSTI_MATRIX_INPUT].shape;
        int has_rest = layer->terms && layer->term[layer->terms - 1].of_input;
        if (at->term < layer->terms && at->block < s->wide + s->narrow)
            settle_unit(core, layer, part);
        else if (at->term == layer->terms && has_rest && at->block < s->wide + (s->narrow != 0))
            mend_unit(core, layer, part);
        else {
            at->block = 0;
            if (at->term++ < layer->terms)
                continue;
            at->term = 0;
            at->layer++;
            continue;
        }
        at->done++;
        return 1;
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

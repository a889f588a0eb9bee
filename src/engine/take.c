/* Taking slices, and what is done while they are awaited. */
#include "engine/take.h"

/* Copies, once all are there. */
static void copy(psti_core *core, const psti_vector *v, const psti_turn *turn) {
    psti_copy(&v->route, turn->slot, turn->now, turn->tag);
    core->taken[v->index] = turn->tag;
}

static int nothing_to_take(const psti_core *core, const psti_vector *v, const psti_turn *turn) {
    return !turn->tag || !v->route.peer_count || core->taken[v->index] == turn->tag;
}

int psti_take_slices(psti_core *core, const psti_vector *v, const psti_turn *turn) {
    if (nothing_to_take(core, v, turn))
        return 0;
    psti_wait w = {.tag = turn->tag};
    while (!psti_arrived(&v->route, turn->tag))
        if (psti_wait_more(core, &w))
            return 1;
    copy(core, v, turn);
    return 0;
}

/* Begins blocks with the inputs of this core's own slice for as long as the others' are missing. The first before any
 * look: even lines that are there take as long to come as a block with half its inputs. */
static void begin(const psti_vector *v, const psti_turn *turn, psti_ahead_fn *kernel, psti_layer_args *args,
                  psti_partial *begun) {
    uint32_t end = v->first + v->units, padded = args->shape->padded_inputs;
    args->ahead = (psti_ahead){.from = v->first, .to = end == v->width ? padded : end, .partial = begun};
    do {
        args->ahead.blocks++;
        kernel(args, args->first + args->ahead.blocks - 1);
    } while (args->ahead.blocks < args->last - args->first && !psti_arrived(&v->route, turn->tag));
}

int psti_take_input(psti_core *core, const psti_vector *v, const psti_turn *turn, psti_ahead_fn *kernel,
                    psti_layer_args *args) {
    if (v->units && !v->encoded_by_reader && !nothing_to_take(core, v, turn))
        begin(v, turn, kernel, args, core->begun);
    if (psti_take_slices(core, v, turn))
        return 1;
    if (v->encoded_by_reader) {
        const psti_kernels *k = &core->engine->kernels;
        const float *values = (const float *)(turn->slot + v->value);
        (void)psti_vector_scale(v, turn->slot, turn->now, k->scan_f32(values, v->width));
        psti_vector_encode(k, v, turn->slot, turn->now, values);
    }
    return 0;
}

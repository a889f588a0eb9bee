/* Rehearsal: what the next step needs, code and lines as well as weights, brought into the caches, and the wide vector
 * units awake. */
#include "engine/engine.h"

void psti_rehearse(psti_core *core) {
    psti_part *part = &core->practice;
    psti_turn turn = {.slot = part->slot};
    part->cursor = (psti_cursor){0};
    part->owing = 0;
    part->mendable = 1; /* the code that mends c becomes resident, too */
    psti_settle_all(core, part);
    (void)psti_respond(core, part, &turn);
}

pst_status psti_practise(pst_engine *e, const psti_part *next) {
    psti_core *core = e->caller;
    uint32_t largest = e->kernels.scan_f32(e->practice_x, e->inputs);
    core->practice.cursor = (psti_cursor){0};
    psti_settle_all(core, &core->practice);
    pst_status status = psti_step(e, PSTI_PRACTICE, &core->practice, e->practice_x, largest, e->practice_y);
    if (status)
        return status;
    (void)e->kernels.read_f32(next->slot, psti_part_bytes(core));
    return PST_OK;
}

/* The product and cell of one block of the practice part, in the instructions of the next step. */
static void one_block(psti_core *core) {
    for (uint32_t i = 0; i < core->engine->count; i++) {
        const psti_placed *layer = &core->layers[i];
        const psti_placed_matrix *m = &layer->matrix[PSTI_MATRIX_INPUT];
        char *slot = core->practice.slot;
        if (!layer->lstm || !layer->units)
            continue;
        psti_layer_args args = {.shape = &m->shape,
                                .tiles = m->tiles,
                                .scale = m->scale,
                                .bracket = (const float *)(slot + layer->bracket),
                                .x = psti_vector_operand(layer->in, slot, 0, m->encoding),
                                .first = 0,
                                .last = 1,
                                .c_before = (const float *)(slot + layer->c[1]),
                                .c = (float *)(slot + layer->c[0]),
                                .out = psti_vector_sink(layer->out, slot, 0, layer->first)};
        layer->lstm(&args);
        return;
    }
}

/* The pieces of a round: reads of 32 KiB of respond's weights by the widest loads, then one block of the first layer. A
 * whole respond would take longer than a step may have to wait for it. */
void psti_rehearse_piece(psti_core *core) {
    if (!core->practice.slot)
        return; /* its share could not be placed: it only waits to be told to stop */
    const unsigned char *weights = core->pages.address;
    size_t at = (size_t)core->rehearsed * PSTI_UNIT_BYTES, left = core->critical_bytes - at;
    if (at >= core->critical_bytes) {
        one_block(core);
        core->rehearsed = 0;
        core->idle_since = psti_now();
        return;
    }
    (void)core->engine->kernels.read_f32(weights + at, left < PSTI_UNIT_BYTES ? left : PSTI_UNIT_BYTES);
    core->rehearsed++;
}

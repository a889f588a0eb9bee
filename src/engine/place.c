/* A core's share of a program: the plan of a slot, and the weights of its slices in pages of its own. */
#include <stdlib.h>

#include "base/status.h"
#include "engine/kinds.h"
#include "engine/place.h"

static size_t align(size_t bytes) {
    return (bytes + 63) & ~(size_t)63;
}

size_t psti_core_reserve(psti_core *core, size_t bytes) {
    size_t at = core->slot_bytes;
    core->slot_bytes += align(bytes);
    return at;
}

/* A kernel stores 16 units at a time, from any multiple of 4 on: up to 12 behind the padded end. */
static size_t padded_to_run(uint32_t width) {
    return ((size_t)width + PSTI_LANES + PSTI_RUN - 1) / PSTI_RUN * PSTI_RUN;
}

/* The code that a matrix of this encoding reads. */
static void want_code(psti_core *core, psti_vector *v, int encoding) {
    int operand = psti_encodings[encoding].operand;
    if (psti_encodings[encoding].grouped && v->room == PSTI_NOWHERE)
        v->room = psti_core_reserve(core, psti_operand_room(v->width));
    size_t bytes = padded_to_run(v->width) * psti_operand_bytes(operand);
    if (v->code[0][operand] != PSTI_NOWHERE)
        return;
    for (int k = 0; k < 2; k++) {
        int own = k == 0 || v->kept;
        v->code[k][operand] = own ? psti_core_reserve(core, bytes) : v->code[0][operand];
        if (operand == PSTI_OPERAND_A16)
            v->low[k] = own ? psti_core_reserve(core, bytes) : v->low[0];
    }
}

static void plan_scales(psti_core *core, psti_vector *v, const psti_program_layer *h_of) {
    for (int k = 0; k < PSTI_OPERANDS; k++)
        v->static_scale[k] = !h_of ? 0.0f : k == PSTI_OPERAND_A8 ? h_of->h_scale_8 : h_of->h_scale;
    for (int k = 0; k < 2; k++)
        v->exponent_scale[k] = h_of                ? PSTI_NOWHERE
                               : k == 0 || v->kept ? psti_core_reserve(core, sizeof(float))
                                                   : v->exponent_scale[0];
}

static void want_value(psti_core *core, psti_vector *v) {
    if (v->value == PSTI_NOWHERE)
        v->value = psti_core_reserve(core, (((size_t)v->width + PSTI_LANES - 1) / PSTI_LANES + 1) * 64);
}

static void add_segment(psti_route *r, const size_t *at, uint32_t bytes) {
    r->segment[r->segments++] = (psti_segment){{at[0], at[1]}, bytes};
}

/* What goes over: the codes of x and of an h; values where a reader encodes or takes those. */
static void plan_segments(psti_vector *v, int has_codes, int values_read) {
    for (int k = 0; k < PSTI_OPERANDS; k++)
        if (has_codes && v->code[0][k] != PSTI_NOWHERE) {
            size_t at[2] = {v->code[0][k], v->code[1][k]};
            add_segment(&v->route, at, (uint32_t)psti_operand_bytes(k));
        }
    if (has_codes && v->low[0] != PSTI_NOWHERE)
        add_segment(&v->route, v->low, 1);
    if (values_read) {
        size_t at[2] = {v->value, v->value};
        add_segment(&v->route, at, 4);
    }
}

static void plan_vector(psti_core *core, const pst_program *p, uint32_t i) {
    psti_vector *v = &core->vectors[i];
    const pst_engine *e = core->engine;
    const psti_program_layer *from = i ? &p->layers[i - 1] : NULL, *reader = i < p->count ? &p->layers[i] : NULL;
    int is_h = from && psti_program_has_h(from);
    const psti_engine_kind *kind = reader ? psti_engine_kinds[reader->kind] : NULL;
    *v = (psti_vector){.index = i,
                       .width = i ? from->outputs : p->inputs,
                       .first = psti_slice(e, i, core->index)[0],
                       .units = psti_slice(e, i, core->index)[1],
                       .value = PSTI_NOWHERE,
                       .room = PSTI_NOWHERE,
                       .kept = is_h || (reader && psti_program_has(reader, PSTI_MATRIX_INPUT_REST)),
                       .low = {PSTI_NOWHERE, PSTI_NOWHERE}};
    for (int k = 0; k < PSTI_OPERANDS; k++)
        v->code[0][k] = v->code[1][k] = PSTI_NOWHERE;
    plan_scales(core, v, is_h ? from : NULL);
    int reads = reader ? kind->reads(reader) : -1;
    if (reads >= 0)
        want_code(core, v, reads);
    if (is_h)
        want_code(core, v, from->matrix[PSTI_MATRIX_RECURRENT].encoding);
    if (reads < 0 || (i && !is_h))
        want_value(core, v);
    v->encoded_by_reader = reads >= 0 && i && !is_h;
    plan_segments(v, !i || is_h, v->encoded_by_reader || (reads < 0 && (!reader || kind->reads_whole)));
}

static psti_mail mail_of(const pst_engine *e, const psti_vector *v, uint32_t member) {
    const uint32_t *slice = psti_slice(e, v->index, member);
    return (psti_mail){.lines = psti_route_lines(&v->route, slice[1]), .first = slice[0], .units = slice[1]};
}

/* The lines of a producer start on a pair of cache lines of their own: processors fetch pairs. */
static uint32_t whole_pairs(uint32_t lines) {
    return (lines + 1) & ~1u;
}

/* Where each slice's lines stand, found by the same walk on every core. `base` NULL: only counted. */
static pst_status plan_routes(psti_core *core, const pst_program *p, psti_line *base, size_t *lines) {
    const pst_engine *e = core->engine;
    size_t at = 2; /* the command */
    for (uint32_t i = 0; i <= p->count; i++) {
        psti_vector *v = &core->vectors[i];
        v->route.peers = psti_arena_take(&core->arena, e->members, sizeof *v->route.peers);
        if (!v->route.peers)
            return PST_E_MEMORY;
        v->route.peer_count = 0;
        for (uint32_t m = 0; m < e->members; m++) {
            psti_mail mail = mail_of(e, v, m);
            int taken = 0;
            for (uint32_t other = 0; other < e->members; other++)
                taken |= other != m && psti_needs(e, p, i, other);
            if (!taken || !mail.lines)
                continue;
            for (int slot = 0; slot < 2; slot++) {
                mail.line[slot] = base ? base + at : NULL;
                at += whole_pairs(mail.lines);
            }
            if (m == core->index)
                v->route.own = mail;
            else if (psti_needs(e, p, i, core->index))
                v->route.peers[v->route.peer_count++] = mail;
        }
    }
    *lines = at;
    return PST_OK;
}

static size_t lane_bytes(const psti_shape *s) {
    return align(PSTI_LANES * psti_shape_vectors(s) * sizeof(float));
}

/* Bytes of one matrix' slice in the pages, and the copy itself. */
static size_t matrix_bytes(const psti_matrix *m, const psti_shape *s) {
    return align(psti_tiles_bytes(s, m->encoding)) + (m->scale ? lane_bytes(s) : 0);
}

static void place_matrix(const psti_kernels *k, const psti_matrix *from, uint32_t first, psti_placed_matrix *to,
                         unsigned char **at) {
    size_t tiles = psti_tiles_bytes(&to->shape, from->encoding);
    to->tiles = *at;
    psti_cut_tiles(&from->shape, from->encoding, from->tiles, first, &to->shape, *at);
    if (psti_encodings[from->encoding].bits == 8)
        k->adapt_w8(*at, tiles);
    *at += align(tiles);
    if (from->scale) {
        psti_cut_lanes(&from->shape, from->scale, first, &to->shape, (float *)*at);
        to->scale = (const float *)*at;
        *at += lane_bytes(&to->shape);
    }
}

static void start_layer(psti_core *core, const psti_program_layer *from, uint32_t i) {
    psti_placed *to = &core->layers[i];
    const uint32_t *slice = psti_slice(core->engine, i + 1, core->index);
    *to = (psti_placed){.of = psti_engine_kinds[from->kind],
                        .kind = from->kind,
                        .function = from->function,
                        .inputs = from->inputs,
                        .outputs = from->outputs,
                        .first = slice[0],
                        .units = slice[1],
                        .alpha = from->alpha,
                        .beta = from->beta,
                        .in = &core->vectors[i],
                        .out = &core->vectors[i + 1]};
    to->rho = from->rho;
    to->mends = from->mends;
    for (uint32_t m = 0; m < PSTI_MATRICES; m++) {
        if (!psti_program_has(from, m))
            continue;
        to->matrix[m].encoding = from->matrix[m].encoding;
        to->matrix[m].shape = psti_shape_of(to->units, from->matrix[m].shape.inputs, from->matrix[m].shape.gates);
        to->matrix[m].shape.group = from->matrix[m].shape.group;
    }
    to->h_is_scaled = psti_program_has_h(from) && psti_encoding_scaled(from->matrix[PSTI_MATRIX_RECURRENT].encoding);
    to->h_limit = psti_program_h_limit(from);
    if (!to->units || !psti_program_has(from, PSTI_MATRIX_INPUT))
        return;
    /* the bias is in what settle makes, or, without a settle, in respond */
    size_t bias = lane_bytes(&to->matrix[0].shape);
    to->critical_bytes = matrix_bytes(&from->matrix[0], &to->matrix[0].shape) + (psti_program_has_h(from) ? 0 : bias);
    core->critical_bytes += to->critical_bytes;
    for (uint32_t m = 1; m < PSTI_MATRICES; m++)
        if (psti_program_has(from, m))
            core->settle_bytes += matrix_bytes(&from->matrix[m], &to->matrix[m].shape);
    if (psti_program_has_h(from))
        core->settle_bytes += from->rest_bias ? 2 * bias : bias;
}

/* Where a share exceeds L2, a settle pushes out what the next respond reads first. Half of L2 of it is read again: what
 * follows then streams through the other half. Measured against other sizes and prefetchnta in docs/performance.md. */
static void plan_touch(psti_core *core) {
    uint64_t l2 = core->engine->no_touch ? 0 : core->engine->l2_bytes;
    if (l2 && core->critical_bytes + core->settle_bytes > l2 && core->settle_units)
        core->touch_bytes = core->critical_bytes < l2 / 2 ? core->critical_bytes : (size_t)(l2 / 2 / 64 * 64);
    core->touch_units = (uint32_t)((core->touch_bytes + PSTI_UNIT_BYTES - 1) / PSTI_UNIT_BYTES);
}

/* The critical matrices one behind the other, then the recurrent ones: respond and settle each read one stream. */
static pst_status place_weights(psti_core *core, const pst_program *p) {
    const psti_kernels *k = &core->engine->kernels;
    uint32_t most_blocks = 0;
    for (uint32_t i = 0; i < p->count; i++)
        start_layer(core, &p->layers[i], i);
    size_t bytes = core->critical_bytes + core->settle_bytes;
    pst_status status = psti_pages_map(bytes ? bytes : 64, (int)core->engine->flags, "weights", &core->pages);
    if (status)
        return status;
    unsigned char *critical = core->pages.address, *settle = critical + core->critical_bytes;
    for (uint32_t i = 0; i < p->count; i++) {
        const psti_program_layer *from = &p->layers[i];
        psti_placed *to = &core->layers[i];
        if (!to->units)
            continue;
        for (uint32_t m = 0; m < PSTI_MATRICES; m++)
            if (psti_program_has(from, m))
                place_matrix(k, &from->matrix[m], to->first, &to->matrix[m], m ? &settle : &critical);
        if (psti_program_has(from, PSTI_MATRIX_INPUT)) {
            unsigned char **at = psti_program_has_h(from) ? &settle : &critical;
            psti_cut_lanes(&from->matrix[0].shape, from->bias, to->first, &to->matrix[0].shape, (float *)*at);
            to->bias = (const float *)*at;
            *at += lane_bytes(&to->matrix[0].shape);
            if (from->rest_bias) {
                psti_cut_lanes(&from->matrix[0].shape, from->rest_bias, to->first, &to->matrix[0].shape, (float *)*at);
                to->rest_bias = (const float *)*at;
                *at += lane_bytes(&to->matrix[0].shape);
            }
            uint32_t blocks = to->matrix[0].shape.wide + to->matrix[0].shape.narrow;
            most_blocks = blocks > most_blocks ? blocks : most_blocks;
        }
        to->of->place(core, to);
        core->settle_units += to->settle_units;
    }
    plan_touch(core);
    core->begun = psti_arena_take(&core->arena, most_blocks ? most_blocks : 1, sizeof *core->begun);
    return core->begun ? PST_OK : PST_E_MEMORY;
}

pst_status psti_core_place(psti_core *core, const pst_program *p) {
    core->layers = psti_arena_take(&core->arena, p->count, sizeof *core->layers);
    core->vectors = psti_arena_take(&core->arena, (size_t)p->count + 1, sizeof *core->vectors);
    core->taken = psti_arena_take(&core->arena, (size_t)p->count + 1, sizeof *core->taken);
    if (!core->layers || !core->vectors || !core->taken)
        return PST_E_MEMORY;
    for (uint32_t i = 0; i <= p->count; i++)
        plan_vector(core, p, i);
    size_t lines;
    pst_status status = plan_routes(core, p, core->engine->line_pages.address, &lines);
    if (!status)
        status = place_weights(core, p);
    if (status)
        return status;
    core->partial = psti_core_reserve(core, sizeof(psti_partial));
    status = psti_pages_map(psti_part_bytes(core), (int)core->engine->flags, "rehearsal", &core->practice.pages);
    core->practice.slot = core->practice.pages.address;
    return status;
}

pst_status psti_core_lines(psti_core *core, const pst_program *p, size_t *lines) {
    core->vectors = psti_arena_take(&core->arena, (size_t)p->count + 1, sizeof *core->vectors);
    if (!core->vectors)
        return PST_E_MEMORY;
    for (uint32_t i = 0; i <= p->count; i++)
        plan_vector(core, p, i);
    pst_status status = plan_routes(core, p, NULL, lines);
    core->slot_bytes = 0; /* planned again, in earnest */
    return status;
}

void psti_core_drop(psti_core *core) {
    psti_pages_unmap(&core->pages);
    psti_pages_unmap(&core->practice.pages);
    psti_parts_drop(core);
    psti_arena_free(&core->arena);
}

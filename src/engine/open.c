/* Opening and closing: weights into pages of the engine's own, and the plan of a slot. */
#include <stdlib.h>

#include "base/status.h"
#include "cpu/levels.h"
#include "engine/engine.h"
#include "engine/kinds.h"

static size_t align(size_t bytes) {
    return (bytes + 63) & ~(size_t)63;
}

static size_t reserve(size_t *slot_bytes, size_t bytes) {
    size_t at = *slot_bytes;
    *slot_bytes += align(bytes);
    return at;
}

static size_t code_bytes(uint32_t width, int encoding) {
    size_t padded = ((size_t)width + PSTI_RUN - 1) / PSTI_RUN * PSTI_RUN;
    return padded * (encoding == PSTI_F32 ? 4 : encoding == PSTI_BF16 ? 2 : 1);
}

static void want_code(psti_vector *v, int encoding, size_t *slot_bytes) {
    if (v->code[encoding] != PSTI_NOWHERE)
        return;
    v->code[encoding] = reserve(slot_bytes, code_bytes(v->width, encoding));
    if (encoding == PSTI_W8A16)
        v->low = reserve(slot_bytes, code_bytes(v->width, encoding));
}

static void want_value(psti_vector *v, size_t *slot_bytes) {
    if (v->value == PSTI_NOWHERE)
        v->value = reserve(slot_bytes, ((size_t)v->width + PSTI_LANES - 1) / PSTI_LANES * PSTI_LANES * sizeof(float));
}

static void plan_vectors(pst_engine *e, const pst_program *p) {
    for (uint32_t i = 0; i <= e->count; i++) {
        psti_vector *v = &e->vectors[i];
        const psti_program_layer *from = i ? &p->layers[i - 1] : NULL;
        int is_h = from && from->matrices == PSTI_MATRICES;
        *v = (psti_vector){.width = i ? from->outputs : p->inputs, .value = PSTI_NOWHERE, .low = PSTI_NOWHERE};
        for (int k = 0; k < PSTI_ENCODINGS; k++)
            v->code[k] = PSTI_NOWHERE;
        v->static_scale = is_h ? from->h_scale : 0.0f;
        v->exponent_scale = is_h ? PSTI_NOWHERE : reserve(&e->slot_bytes, sizeof(float));
        int reads = i < e->count ? psti_engine_kinds[p->layers[i].kind]->reads(&p->layers[i]) : -1;
        if (reads >= 0)
            want_code(v, reads, &e->slot_bytes);
        if (is_h)
            want_code(v, from->matrix[PSTI_MATRIX_RECURRENT].encoding, &e->slot_bytes);
        if (reads < 0 || (i && !is_h))
            want_value(v, &e->slot_bytes);
    }
}

/* Bytes of one matrix in the pages, and the copy itself. */
static size_t matrix_bytes(const psti_matrix *m) {
    size_t scales = m->scale ? (size_t)PSTI_LANES * psti_shape_vectors(&m->shape) * sizeof(float) : 0;
    return align(psti_tiles_bytes(&m->shape, m->encoding)) + align(scales);
}

static size_t bias_bytes(const psti_program_layer *layer) {
    return align((size_t)PSTI_LANES * psti_shape_vectors(&layer->matrix[0].shape) * sizeof(float));
}

static void place_matrix(const psti_kernels *k, const psti_matrix *from, psti_placed_matrix *to, unsigned char **at) {
    size_t tiles = psti_tiles_bytes(&from->shape, from->encoding);
    *to = (psti_placed_matrix){.encoding = from->encoding, .shape = from->shape, .tiles = *at};
    memcpy(*at, from->tiles, tiles);
    if (psti_encoding_scaled(from->encoding))
        k->adapt_w8(*at, tiles);
    *at += align(tiles);
    if (from->scale) {
        size_t scales = (size_t)PSTI_LANES * psti_shape_vectors(&from->shape) * sizeof(float);
        memcpy(*at, from->scale, scales);
        to->scale = (const float *)*at;
        *at += align(scales);
    }
}

static const float *copy_state(pst_engine *e, const float *from, uint32_t n, pst_status *status) {
    if (!from)
        return NULL;
    float *copy = psti_arena_take(&e->arena, n, sizeof *copy);
    if (!copy)
        *status = PST_E_MEMORY;
    else
        memcpy(copy, from, n * sizeof *copy);
    return copy;
}

/* The critical matrices one behind the other, then the recurrent ones: respond and settle each read one stream. */
static pst_status place_weights(pst_engine *e, const pst_program *p) {
    pst_status status = PST_OK;
    for (uint32_t i = 0; i < p->count; i++) {
        const psti_program_layer *layer = &p->layers[i];
        if (layer->matrices)
            e->critical_bytes += matrix_bytes(&layer->matrix[0]);
        if (layer->matrices)
            *(layer->matrices > 1 ? &e->settle_bytes : &e->critical_bytes) += bias_bytes(layer);
        if (layer->matrices > 1)
            e->settle_bytes += matrix_bytes(&layer->matrix[1]);
    }
    size_t bytes = e->critical_bytes + e->settle_bytes;
    status = psti_pages_map(bytes ? bytes : 64, (int)e->flags, "weights", &e->pages);
    if (status)
        return status;
    unsigned char *critical = e->pages.address, *settle = critical + e->critical_bytes;
    for (uint32_t i = 0; i < p->count && !status; i++) {
        const psti_program_layer *from = &p->layers[i];
        psti_placed *to = &e->layers[i];
        *to = (psti_placed){.of = psti_engine_kinds[from->kind],
                            .kind = from->kind,
                            .function = from->function,
                            .inputs = from->inputs,
                            .outputs = from->outputs,
                            .alpha = from->alpha,
                            .beta = from->beta,
                            .in = &e->vectors[i],
                            .out = &e->vectors[i + 1]};
        if (from->matrices)
            place_matrix(&e->kernels, &from->matrix[0], &to->matrix[0], &critical);
        if (from->matrices > 1)
            place_matrix(&e->kernels, &from->matrix[1], &to->matrix[1], &settle);
        if (from->matrices) {
            unsigned char **at = from->matrices > 1 ? &settle : &critical;
            memcpy(*at, from->bias, (size_t)PSTI_LANES * psti_shape_vectors(&from->matrix[0].shape) * sizeof(float));
            to->bias = (const float *)*at;
            *at += bias_bytes(from);
        }
        to->h0 = copy_state(e, from->h0, from->outputs, &status);
        to->c0 = copy_state(e, from->c0, from->outputs, &status);
        to->of->place(e, to, &e->slot_bytes);
        e->settle_units += to->settle_units;
        e->units += from->matrices > 1 ? from->outputs : 0;
    }
    return status;
}

static pst_status note_shortfalls(pst_engine *e) {
    e->shortfalls = psti_arena_take(&e->arena, 7, sizeof *e->shortfalls);
    if (!e->shortfalls)
        return PST_E_MEMORY;
    const psti_pages *pages[] = {&e->pages, &e->rehearsal};
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < 3; i++)
            if (pages[k]->shortfall[i][0])
                e->shortfalls[e->shortfall_count++] = pages[k]->shortfall[i];
    if (!e->fork.alive)
        e->shortfalls[e->shortfall_count++] =
            "fork: the kernel has no pages that a fork clears (MADV_WIPEONFORK); a forked "
            "child that uses this engine is not told so";
    return PST_OK;
}

static pst_status fill(pst_engine *e, const pst_program *p) {
    e->count = p->count;
    e->inputs = p->inputs;
    e->outputs = p->outputs;
    e->program_hash = p->hash;
    e->state_bytes = psti_program_state_bytes(p);
    e->layers = psti_arena_take(&e->arena, p->count, sizeof *e->layers);
    e->vectors = psti_arena_take(&e->arena, (size_t)p->count + 1, sizeof *e->vectors);
    e->silence = psti_arena_take(&e->arena, p->inputs, sizeof *e->silence);
    e->nobody = psti_arena_take(&e->arena, p->outputs, sizeof *e->nobody);
    if (!e->layers || !e->vectors || !e->silence || !e->nobody)
        return PST_E_MEMORY;
    plan_vectors(e, p);
    pst_status status = place_weights(e, p);
    if (status)
        return status;
    e->partial = reserve(&e->slot_bytes, sizeof(psti_partial));
    if ((status = psti_pages_map(e->slot_bytes, (int)e->flags, "rehearsal", &e->rehearsal)))
        return status;
    if ((status = psti_fork_mark_open(&e->fork)))
        return status;
    return note_shortfalls(e);
}

static void drop(pst_engine *e) {
    psti_pages_unmap(&e->pages);
    psti_pages_unmap(&e->rehearsal);
    psti_fork_mark_close(&e->fork);
    psti_arena_free(&e->arena);
}

pst_status pst_engine_open(const pst_program *p, const pst_engine_options *o, pst_engine **out) {
    pst_engine_options own;
    pst_status status = psti_take_options(o, &own, sizeof own, "pst_engine_options");
    if (status)
        return status;
    if (!p || !out)
        return psti_fail_null(p ? "out" : "program");
    if (own.cores > 1)
        return psti_fail(PST_E_UNSUPPORTED, (psti_where){.field = "cores", .expected = 1, .found = own.cores},
                         "pst_engine_options: cores: expected at most 1 in this version, found %u", own.cores);
    if (own.cpus || own.caller || own.idle || own.spin_us)
        return psti_fail(PST_E_UNSUPPORTED, (psti_where){.item = "pst_engine_options"},
                         "pst_engine_options: cpus, caller, idle and spin_us are reserved and must be 0");
    if (own.flags & ~(uint32_t)(PST_ENGINE_NO_HUGE_PAGES | PST_ENGINE_NO_LOCK))
        return psti_fail(PST_E_ARGUMENT, (psti_where){.field = "flags", .found = own.flags},
                         "pst_engine_options: flags: unknown bits in 0x%x", own.flags);
    int level;
    if ((status = psti_level_choose(own.level, &level)))
        return status;
    pst_engine *e = psti_allocate(1, sizeof *e);
    if (!e)
        return PST_E_MEMORY;
    e->kernels = psti_kernels_get(level);
    e->flags = (own.flags & PST_ENGINE_NO_HUGE_PAGES ? PSTI_PAGES_NO_HUGE : 0) |
               (own.flags & PST_ENGINE_NO_LOCK ? PSTI_PAGES_NO_LOCK : 0);
    if ((status = fill(e, p))) {
        drop(e);
        free(e);
        return status;
    }
    psti_rehearse(e);
    *out = e;
    return PST_OK;
}

void psti_engine_release(pst_engine *e) {
    if (e->closed && e->streams == 0)
        free(e);
}

void pst_engine_close(pst_engine *e) {
    if (!e || e->closed)
        return;
    drop(e);
    e->closed = 1;
    psti_engine_release(e);
}

size_t psti_stream_bytes(const pst_engine *e) {
    return align(e->slot_bytes) + align(2 * e->units * sizeof(float));
}

pst_status psti_engine_check(const pst_engine *e) {
    if (__builtin_expect(e->closed, 0))
        return psti_fail(PST_E_CLOSED, (psti_where){.item = "engine"}, "the stream's engine was closed");
    if (__builtin_expect(e->fork.alive && !*e->fork.alive, 0))
        return psti_fail(PST_E_FORKED, (psti_where){.item = "engine"},
                         "the engine belongs to the parent process; open another one in this process");
    return PST_OK;
}

pst_status pst_engine_get_info(const pst_engine *e, pst_engine_info *out) {
    if (!e || !out)
        return psti_fail_null(e ? "out" : "engine");
    pst_status status = psti_check_info(out, sizeof out->size, "pst_engine_info");
    if (status || (status = psti_engine_check(e)))
        return status;
    size_t weights = e->critical_bytes + e->settle_bytes;
    pst_engine_info own = {.cores = 1,
                           .level = e->kernels.level,
                           .page_bytes = e->pages.page_bytes,
                           .weight_bytes = weights,
                           .locked_bytes = e->pages.locked < weights ? e->pages.locked : weights, /* pages are whole */
                           .stream_bytes = (psti_stream_bytes(e) + 4095) / 4096 * 4096,
                           .settle_units = e->settle_units,
                           .shortfalls = e->shortfalls,
                           .shortfall_count = e->shortfall_count};
    psti_give_info(out, &own, sizeof own);
    return PST_OK;
}

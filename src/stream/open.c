/* Opening, resetting, cloning and closing streams. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "base/rounding.h"
#include "base/status.h"
#include "stream/stream.h"

#define LARGEST_C 0x1p40f

pst_status psti_stream_check(const pst_stream *s) {
    if (__builtin_expect(!s, 0))
        return psti_fail_null("stream");
    return psti_engine_check(s->engine);
}

static pst_status bad_state(const char *name, uint32_t layer, uint32_t unit, float value, double most) {
    char item[64];
    snprintf(item, sizeof item, "layer %u", layer);
    return psti_fail(PST_E_NONFINITE, (psti_where){.item = item, .field = name, .found = unit},
                     "%s of layer %u (lstm), unit %u: expected a finite value of at most %g, found %g", name, layer,
                     unit, most, (double)value);
}

/* The largest |h| that a layer's own code of h holds. */
static float largest_h(const psti_placed *layer) {
    return layer->h_is_scaled ? layer->h_limit : LARGEST_C;
}

/* Gathers and checks the initial state: [c0, h0] layer by layer. */
static pst_status take_initial(const pst_engine *e, const pst_stream_options *o, float *initial) {
    size_t at = 0;
    for (uint32_t i = 0; i < e->count; i++) {
        const psti_placed *layer = &e->caller->layers[i];
        if (!psti_has_state(layer))
            continue;
        const float *c0 = o->c0 ? o->c0 + at : e->c0[i], *h0 = o->h0 ? o->h0 + at : e->h0[i];
        float *c = initial + 2 * at, *h = c + layer->outputs;
        for (uint32_t u = 0; u < layer->outputs; u++) {
            c[u] = c0 ? c0[u] : 0.0f;
            h[u] = h0 ? h0[u] : 0.0f;
            if (!(fabsf(c[u]) <= LARGEST_C))
                return bad_state("c0", i, u, c[u], (double)LARGEST_C);
            if (!(fabsf(h[u]) <= largest_h(layer)))
                return bad_state("h0", i, u, h[u], (double)largest_h(layer));
        }
        at += layer->outputs;
    }
    return PST_OK;
}

/* A job: puts c of this core's slices and all of h into the part, from c0 then h0 layer by layer, and settles. Values
 * were checked. */
static pst_status begin(psti_core *core, void *argument) {
    const pst_stream *s = argument;
    psti_part *part = core->parts[s->number];
    const float *at = s->initial;
    unsigned rounding = psti_rounding_enter();
    psti_owe_nothing(core, part);
    part->time = 0;
    part->mendable = 0;
    part->cursor = (psti_cursor){0};
    for (uint32_t i = 0; i < core->engine->count; i++) {
        const psti_placed *layer = &core->layers[i];
        if (layer->in->kept)
            psti_vector_forget(layer->in, part->slot);
        if (!psti_has_state(layer))
            continue;
        float *c = (float *)(part->slot + layer->c[0]);
        for (uint32_t u = 0; u < layer->units; u++)
            c[u] = psti_flush(at[layer->first + u], -80);
        psti_vector_encode(&core->engine->kernels, layer->out, part->slot, 0, at + layer->outputs);
        at += 2 * (size_t)layer->outputs;
    }
    psti_settle_all(core, part);
    psti_rounding_leave(rounding);
    return PST_OK;
}

/* ---- numbers of streams, and parts on every core ------------------------------------------------------------------
 */

static pst_status take_number(pst_engine *e, uint32_t *number) {
    uint32_t n = 0;
    while (n < e->number_room && e->number_used[n])
        n++;
    if (n == e->number_room) {
        uint32_t room = n ? 2 * n : 4;
        unsigned char *used = realloc(e->number_used, room);
        if (!used)
            return psti_fail_memory(room);
        memset(used + n, 0, room - n);
        e->number_used = used;
        e->number_room = room;
    }
    e->number_used[n] = 1;
    *number = n;
    return PST_OK;
}

static pst_status open_part(psti_core *core, void *number) {
    return psti_part_open(core, *(uint32_t *)number);
}

static pst_status close_part(psti_core *core, void *number) {
    psti_part_close(core, *(uint32_t *)number);
    return PST_OK;
}

static void release(pst_stream *s) {
    pst_engine *e = s->engine;
    (void)psti_on_all_cores(e, close_part, &s->number);
    e->number_used[s->number] = 0;
    free(s->initial);
    free(s);
}

static pst_status allocate(pst_engine *e, pst_stream **out) {
    pst_stream *s = psti_allocate(1, sizeof *s);
    if (!s)
        return PST_E_MEMORY;
    pst_status status = PST_OK;
    s->engine = e;
    s->initial = psti_allocate(e->units ? 2 * e->units : 1, sizeof *s->initial);
    if (!s->initial)
        status = PST_E_MEMORY;
    if (!status)
        status = take_number(e, &s->number);
    if (status) {
        free(s->initial);
        free(s);
        return status;
    }
    if ((status = psti_on_all_cores(e, open_part, &s->number))) {
        release(s);
        return status;
    }
    s->part = e->caller->parts[s->number];
    *out = s;
    return PST_OK;
}

static pst_status rehearse(psti_core *core, void *argument) {
    (void)argument;
    unsigned rounding = psti_rounding_enter();
    psti_rehearse(core);
    psti_rounding_leave(rounding);
    return PST_OK;
}

pst_status pst_stream_open(pst_engine *e, const pst_stream_options *o, pst_stream **out) {
    pst_stream_options own;
    pst_status status = psti_take_options(o, &own, sizeof own, "pst_stream_options");
    if (status)
        return status;
    if (!e || !out)
        return psti_fail_null(e ? "out" : "engine");
    if ((status = psti_engine_check(e)))
        return status;
    pst_stream *s;
    if ((status = allocate(e, &s)))
        return status;
    if ((status = take_initial(e, &own, s->initial))) {
        release(s);
        return status;
    }
    (void)psti_on_all_cores(e, begin, s);
    (void)psti_on_all_cores(e, rehearse, NULL);
    /* The calls themselves, so that their code is resident, too. */
    (void)pst_settle(s, 0, NULL);
    (void)pst_warm(s);
    psti_catch_up_at_last(e); /* a core may have been late with that: opening may take as long as it takes */
    e->streams++;
    *out = s;
    return PST_OK;
}

typedef struct {
    uint32_t from, to;
} pair;

static pst_status copy_part(psti_core *core, void *argument) {
    const pair *p = argument;
    const psti_part *from = core->parts[p->from];
    psti_part *to = core->parts[p->to];
    memcpy(to->slot, from->slot, core->slot_bytes);
    to->time = from->time;
    to->mendable = from->mendable;
    int owing = from->owing;
    if (owing) {
        psti_owe(core, to);
        to->cursor = from->cursor;
    }
    return PST_OK;
}

pst_status pst_stream_clone(const pst_stream *s, pst_stream **out) {
    pst_status status = psti_stream_check(s);
    if (status)
        return status;
    if (!out)
        return psti_fail_null("out");
    pst_stream *copy;
    if ((status = allocate(s->engine, &copy)))
        return status;
    memcpy(copy->initial, s->initial, 2 * s->engine->units * sizeof *copy->initial);
    (void)psti_on_all_cores(s->engine, copy_part, &(pair){s->number, copy->number});
    copy->engine->streams++;
    *out = copy;
    return PST_OK;
}

pst_status pst_stream_reset(pst_stream *s) {
    pst_status status = psti_stream_check(s);
    return status ? status : psti_on_all_cores(s->engine, begin, s);
}

void pst_stream_close(pst_stream *s) {
    if (!s)
        return;
    pst_engine *e = s->engine;
    if (e->closed || (e->fork.alive && !*e->fork.alive)) {
        free(s->initial);
        free(s);
    } else {
        psti_catch_up_at_last(e);
        release(s);
    }
    e->streams--;
    psti_engine_release(e);
}

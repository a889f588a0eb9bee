/* Opening, resetting, cloning and closing streams. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/number.h"
#include "base/rounding.h"
#include "base/status.h"
#include "stream/stream.h"

#define LARGEST_C 0x1p40f

static int is_lstm(const psti_placed *layer) {
    return layer->settle_units != 0;
}

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
    return psti_encoding_scaled(layer->matrix[PSTI_MATRIX_RECURRENT].encoding) ? layer->out->static_scale : LARGEST_C;
}

/* Gathers and checks the initial state: [c0, h0] layer by layer. */
static pst_status take_initial(const pst_engine *e, const pst_stream_options *o, float *initial) {
    size_t at = 0;
    for (uint32_t i = 0; i < e->count; i++) {
        const psti_placed *layer = &e->layers[i];
        if (!is_lstm(layer))
            continue;
        const float *c0 = o->c0 ? o->c0 + at : layer->c0, *h0 = o->h0 ? o->h0 + at : layer->h0;
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

/* Puts c and h of every lstm into the slot, from c0 then h0 layer by layer, and settles. Values were checked. */
static void begin(pst_stream *s) {
    const pst_engine *e = s->engine;
    const float *at = s->initial;
    for (uint32_t i = 0; i < e->count; i++) {
        const psti_placed *layer = &e->layers[i];
        if (!is_lstm(layer))
            continue;
        float *c = (float *)(s->slot + layer->c);
        for (uint32_t u = 0; u < layer->outputs; u++)
            c[u] = psti_flush(at[u], -80);
        psti_vector_encode(&e->kernels, layer->out, s->slot, at + layer->outputs, 0);
        at += 2 * (size_t)layer->outputs;
    }
    s->cursor = (psti_cursor){0};
    psti_settle_all(e, s->slot, &s->cursor);
    s->owing = 0;
}

static pst_status allocate(pst_engine *e, pst_stream **out) {
    pst_stream *s = psti_allocate(1, sizeof *s);
    if (!s)
        return PST_E_MEMORY;
    size_t slot = (e->slot_bytes + 63) & ~(size_t)63;
    pst_status status = psti_pages_map(psti_stream_bytes(e), (int)e->flags, "stream", &s->pages);
    if (status) {
        free(s);
        return status;
    }
    s->engine = e;
    s->slot = s->pages.address;
    s->initial = (float *)(s->slot + slot);
    *out = s;
    return PST_OK;
}

static void release(pst_stream *s) {
    psti_pages_unmap(&s->pages);
    free(s);
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
    unsigned rounding = psti_rounding_enter();
    begin(s);
    psti_rehearse(e);
    psti_rounding_leave(rounding);
    e->streams++;
    *out = s;
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
    memcpy(copy->slot, s->slot, s->pages.bytes);
    copy->cursor = s->cursor;
    copy->owing = s->owing;
    copy->engine->streams++;
    *out = copy;
    return PST_OK;
}

pst_status pst_stream_reset(pst_stream *s) {
    pst_status status = psti_stream_check(s);
    if (status)
        return status;
    unsigned rounding = psti_rounding_enter();
    begin(s);
    psti_rounding_leave(rounding);
    return PST_OK;
}

void pst_stream_close(pst_stream *s) {
    if (!s)
        return;
    pst_engine *e = s->engine;
    release(s);
    e->streams--;
    psti_engine_release(e);
}

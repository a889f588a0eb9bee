/* Saved states: portable bytes, the same on every level and number of cores. docs/format.md describes them. */
#include <math.h>

#include "base/hash.h"
#include "base/number.h"
#include "base/rounding.h"
#include "base/status.h"
#include "stream/stream.h"

#define HEADER 32
static const char magic[8] = "PSTSTATE";

typedef struct {
    char magic[8];
    uint32_t version, reserved;
    uint64_t program, bytes;
} header;

/* Bytes of a unit in each run of the code of h. */
static void code_bytes(int encoding, size_t bytes[2]) {
    bytes[0] = encoding == PSTI_F32 ? 4 : encoding == PSTI_BF16 ? 2 : 1;
    bytes[1] = encoding == PSTI_W8A16;
}

psti_h_code psti_stream_h_code(const psti_part *part, const psti_placed *layer) {
    int encoding = layer->matrix[PSTI_MATRIX_RECURRENT].encoding, now = (int)(part->time & 1);
    size_t at[2] = {layer->out->code[now][encoding], layer->out->low[now]}, bytes[2];
    psti_h_code h = {{NULL, NULL}, {0, 0}, {0, 0}, {0, 0}};
    code_bytes(encoding, bytes);
    for (int k = 0; k < 2 && bytes[k]; k++) {
        h.part[k] = part->slot + at[k] + bytes[k] * layer->first;
        h.bytes[k] = bytes[k] * layer->units;
        h.offset[k] = bytes[k] * layer->first;
        h.whole[k] = bytes[k] * layer->outputs;
    }
    return h;
}

size_t pst_stream_state_size(const pst_stream *s) {
    return s && psti_stream_check(s) == PST_OK ? s->engine->state_bytes : 0;
}

static size_t padding(size_t at) {
    return (8 - at % 8) % 8;
}

/* c, then the runs of h, each core's slice from its own part. */
static void save_layer(const pst_stream *s, uint32_t index, char *out, size_t *at) {
    const pst_engine *e = s->engine;
    size_t whole[2] = {0, 0}, c_bytes = e->caller->layers[index].outputs * sizeof(float);
    for (uint32_t m = 0; m < e->cores; m++) {
        const psti_part *part = e->core[m]->parts[s->number];
        const psti_placed *layer = &e->core[m]->layers[index];
        psti_h_code h = psti_stream_h_code(part, layer);
        memcpy(out + *at + layer->first * sizeof(float), part->slot + layer->c[part->time & 1],
               layer->units * sizeof(float));
        for (int k = 0; k < 2; k++)
            if (h.bytes[k])
                memcpy(out + *at + c_bytes + (k ? h.whole[0] : 0) + h.offset[k], h.part[k], h.bytes[k]);
        whole[0] = h.whole[0];
        whole[1] = h.whole[1];
    }
    *at += c_bytes + whole[0] + whole[1];
    memset(out + *at, 0, padding(*at));
    *at += padding(*at);
}

pst_status pst_stream_save(const pst_stream *s, void *state, size_t n) {
    pst_status status = psti_stream_check(s);
    if (status)
        return status;
    const pst_engine *e = s->engine;
    if (!state)
        return psti_fail_null("state");
    if (n < e->state_bytes)
        return psti_fail(PST_E_SHAPE,
                         (psti_where){.item = "state", .expected = (int64_t)e->state_bytes, .found = (int64_t)n},
                         "state: expected room for %zu bytes, found %zu", e->state_bytes, n);
    header head = {.version = 1, .program = e->program_hash, .bytes = e->state_bytes};
    memcpy(head.magic, magic, sizeof magic);
    char *out = state;
    size_t at = HEADER;
    memcpy(out, &head, sizeof head);
    psti_await_copied(s->engine); /* respond, and not settle, which only reads h and c */
    for (uint32_t i = 0; i < e->count; i++)
        if (psti_has_state(&e->caller->layers[i]))
            save_layer(s, i, out, &at);
    uint64_t hash = psti_hash(state, at);
    memcpy(out + at, &hash, sizeof hash);
    return PST_OK;
}

/* A slice of h from its code, in the layer's own scale. */
static void decode(const psti_placed *layer, const psti_h_code *code, float *h) {
    int encoding = layer->matrix[PSTI_MATRIX_RECURRENT].encoding;
    const signed char *high = (const signed char *)code->part[0];
    const signed char *low = (const signed char *)code->part[1];
    double scale = (double)layer->out->static_scale;
    for (uint32_t u = 0; u < layer->units; u++) {
        uint16_t half;
        if (encoding == PSTI_F32) {
            memcpy(h + u, code->part[0] + 4 * (size_t)u, sizeof *h);
        } else if (encoding == PSTI_BF16) {
            memcpy(&half, code->part[0] + 2 * (size_t)u, sizeof half);
            h[u] = psti_from_bf16(half);
        } else if (encoding == PSTI_W8A16) {
            h[u] = (float)((256 * high[u] + low[u]) * scale / (double)PSTI_LARGEST_A16);
        } else {
            h[u] = (float)(high[u] * scale / (double)PSTI_LARGEST_A8);
        }
    }
}

pst_status pst_stream_get_state(const pst_stream *s, float *h, float *c, size_t n) {
    pst_status status = psti_stream_check(s);
    if (status)
        return status;
    const pst_engine *e = s->engine;
    if (n != e->units)
        return psti_fail(PST_E_SHAPE, (psti_where){.item = "h", .expected = (int64_t)e->units, .found = (int64_t)n},
                         "h, c: expected %zu values, the units of all lstm layers, found %zu", (size_t)e->units, n);
    if (n && (!h || !c))
        return psti_fail_null(h ? "c" : "h");
    psti_await_copied(s->engine);
    size_t at = 0;
    for (uint32_t i = 0; i < e->count; i++) {
        if (!psti_has_state(&e->caller->layers[i]))
            continue;
        for (uint32_t m = 0; m < e->cores; m++) {
            const psti_part *part = e->core[m]->parts[s->number];
            const psti_placed *layer = &e->core[m]->layers[i];
            psti_h_code code = psti_stream_h_code(part, layer);
            if (!layer->units)
                continue;
            memcpy(c + at + layer->first, part->slot + layer->c[part->time & 1], layer->units * sizeof *c);
            decode(layer, &code, h + at + layer->first);
        }
        at += e->caller->layers[i].outputs;
    }
    return PST_OK;
}

static pst_status corrupt(const char *field, const char *why) {
    return psti_fail(PST_E_CORRUPT, (psti_where){.item = "state", .field = field}, "state: %s: %s", field, why);
}

/* Nothing of the stream is touched until all of the state was found sound. Its own size and hash come first, in every
 * version: so an altered state is never taken for one of another version or program. */
static pst_status check_state(const pst_engine *e, const char *in, size_t n) {
    header head;
    uint64_t hash;
    if (n < HEADER + sizeof hash)
        return corrupt("size", "truncated");
    memcpy(&head, in, sizeof head);
    if (memcmp(head.magic, magic, sizeof magic) != 0)
        return corrupt("magic", "these bytes are not a saved state");
    if (head.bytes < HEADER + sizeof hash || head.bytes > n)
        return psti_fail(
            PST_E_CORRUPT,
            (psti_where){.item = "state", .field = "size", .expected = (int64_t)head.bytes, .found = (int64_t)n},
            "state: size: its header says %llu bytes, found %zu", (unsigned long long)head.bytes, n);
    memcpy(&hash, in + head.bytes - sizeof hash, sizeof hash);
    if (hash != psti_hash(in, head.bytes - sizeof hash))
        return corrupt("hash", "the bytes were altered");
    if (head.version != 1)
        return psti_fail(PST_E_UNSUPPORTED,
                         (psti_where){.item = "state", .field = "version", .expected = 1, .found = head.version},
                         "state: version %u; this library reads 1", head.version);
    if (head.program != e->program_hash)
        return psti_fail(PST_E_MISMATCH, (psti_where){.item = "state", .field = "program"},
                         "state: saved under program %016llx, this engine runs %016llx",
                         (unsigned long long)head.program, (unsigned long long)e->program_hash);
    if (head.bytes != e->state_bytes)
        return psti_fail(
            PST_E_CORRUPT,
            (psti_where){
                .item = "state", .field = "size", .expected = (int64_t)e->state_bytes, .found = (int64_t)head.bytes},
            "state: size: expected %zu bytes, found %llu", e->state_bytes, (unsigned long long)head.bytes);
    return PST_OK;
}

/* A code that psti_sink_store can have written: high or only digits in [-127, 127], and 256 high + low within +-32,512.
 */
static int sound_digits(int encoding, signed char high, signed char low) {
    int a = 256 * high + low;
    return high != -128 && (encoding != PSTI_W8A16 || (a >= -32512 && a <= 32512));
}

static int all_zero(const char *p, size_t n) {
    while (n && *p == 0)
        p++, n--;
    return n == 0;
}

/* c and the float codes of h are finite and not below their bounds, integer codes in range, padding is zero. */
static pst_status check_values(const pst_stream *s, const char *in) {
    const pst_engine *e = s->engine;
    size_t at = HEADER;
    for (uint32_t i = 0; i < e->count; i++) {
        const psti_placed *layer = &e->caller->layers[i];
        if (!psti_has_state(layer))
            continue;
        int encoding = layer->matrix[PSTI_MATRIX_RECURRENT].encoding;
        for (uint32_t u = 0; u < layer->outputs; u++, at += sizeof(float)) {
            float c;
            memcpy(&c, in + at, sizeof c);
            if (!(fabsf(c) <= 0x1p61f) || psti_bits(c) != psti_bits(psti_flush(c, -80)))
                return corrupt("c", "a value is not finite, or is smaller than any that a step leaves");
        }
        size_t bytes[2];
        code_bytes(encoding, bytes);
        for (uint32_t u = 0; u < layer->outputs; u++) {
            float v = 0;
            uint16_t half;
            if (encoding == PSTI_F32)
                memcpy(&v, in + at + 4 * (size_t)u, sizeof v);
            if (encoding == PSTI_BF16) {
                memcpy(&half, in + at + 2 * (size_t)u, sizeof half);
                v = psti_from_bf16(half);
            }
            int least = encoding == PSTI_F32 ? -40 : -48;
            if (!(fabsf(v) <= 0x1p41f) || psti_bits(v) != psti_bits(psti_flush(v, least)) ||
                (psti_encoding_scaled(encoding) &&
                 !sound_digits(encoding, (signed char)in[at + u], (signed char)in[at + u + bytes[1] * layer->outputs])))
                return corrupt("h", "a value is out of range");
        }
        at += (bytes[0] + bytes[1]) * layer->outputs;
        if (!all_zero(in + at, padding(at)))
            return corrupt("padding", "not zero");
        at += padding(at);
    }
    return PST_OK;
}

typedef struct {
    uint32_t number;
    const char *state;
} restoring;

/* A job: c of this core's slices and all of h, then a settle. The state was checked. */
static pst_status restore_part(psti_core *core, void *argument) {
    const restoring *r = argument;
    psti_part *part = core->parts[r->number];
    size_t at = HEADER;
    unsigned rounding = psti_rounding_enter();
    psti_owe_nothing(core, part);
    part->time = 0;
    part->cursor = (psti_cursor){0};
    for (uint32_t i = 0; i < core->engine->count; i++) {
        const psti_placed *layer = &core->layers[i];
        if (!psti_has_state(layer))
            continue;
        memcpy(part->slot + layer->c[0], r->state + at + layer->first * sizeof(float), layer->units * sizeof(float));
        at += layer->outputs * sizeof(float);
        psti_h_code h = psti_stream_h_code(part, layer);
        for (int k = 0; k < 2; k++)
            if (h.part[k]) {
                memcpy(h.part[k] - h.offset[k], r->state + at, h.whole[k]);
                at += h.whole[k];
            }
        at += padding(at);
    }
    psti_settle_all(core, part);
    psti_rounding_leave(rounding);
    return PST_OK;
}

pst_status pst_stream_restore(pst_stream *s, const void *state, size_t n) {
    pst_status status = psti_stream_check(s);
    if (status)
        return status;
    if (!state)
        return psti_fail_null("state");
    const char *in = state;
    if ((status = check_state(s->engine, in, n)) || (status = check_values(s, in)))
        return status;
    return psti_on_all_cores(s->engine, restore_part, &(restoring){s->number, in});
}

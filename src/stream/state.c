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

static size_t padding(size_t at) {
    return (8 - at % 8) % 8;
}

/* How a matrix' operand is coded. */
static int operand_of(const psti_placed *layer, uint32_t matrix) {
    return psti_encodings[layer->matrix[matrix].encoding].operand;
}

/* Bytes of a unit in each run of a code. */
static void code_bytes(int operand, size_t bytes[2]) {
    bytes[0] = psti_operand_bytes(operand);
    bytes[1] = operand == PSTI_OPERAND_A16;
}

psti_h_code psti_stream_h_code(const psti_part *part, const psti_placed *layer) {
    int operand = operand_of(layer, PSTI_MATRIX_RECURRENT), now = (int)(part->time & 1);
    size_t at[2] = {layer->out->code[now][operand], layer->out->low[now]}, bytes[2];
    psti_h_code h = {{NULL, NULL}, {0, 0}, {0, 0}, {0, 0}};
    code_bytes(operand, bytes);
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

/* Whether settle still reads the layer's input of the step before, which then belongs to the state. */
static int keeps_input(const psti_placed *layer) {
    return layer->matrix[PSTI_MATRIX_INPUT_REST].shape.gates != 0;
}

/* The runs of that input's code in a part, whole on every core that has a part in the layer, and its scale. */
typedef struct {
    char *run[2], *scale; /* scale NULL: static */
    size_t bytes[2];
} input_code;

static input_code input_code_of(const psti_part *part, const psti_placed *layer) {
    int operand = operand_of(layer, PSTI_MATRIX_INPUT), now = (int)(part->time & 1);
    const psti_vector *v = layer->in;
    input_code code = {.run = {part->slot + v->code[now][operand], NULL}};
    size_t bytes[2];
    code_bytes(operand, bytes);
    code.bytes[0] = bytes[0] * v->width;
    code.bytes[1] = bytes[1] * v->width;
    if (bytes[1])
        code.run[1] = part->slot + v->low[now];
    if (v->exponent_scale[now] != PSTI_NOWHERE)
        code.scale = part->slot + v->exponent_scale[now];
    return code;
}

static size_t input_bytes(const psti_placed *layer) {
    size_t bytes[2], all;
    code_bytes(operand_of(layer, PSTI_MATRIX_INPUT), bytes);
    all = (bytes[0] + bytes[1]) * layer->inputs + sizeof(float);
    return all + padding(all);
}

static void save_input(const pst_stream *s, uint32_t index, char *out) {
    const pst_engine *e = s->engine;
    uint32_t m = 0;
    while (!e->core[m]->layers[index].units)
        m++;
    const psti_placed *layer = &e->core[m]->layers[index];
    input_code code = input_code_of(e->core[m]->parts[s->number], layer);
    memset(out, 0, input_bytes(layer));
    for (int k = 0; k < 2; k++)
        if (code.bytes[k])
            memcpy(out + (k ? code.bytes[0] : 0), code.run[k], code.bytes[k]);
    if (code.scale)
        memcpy(out + code.bytes[0] + code.bytes[1], code.scale, sizeof(float));
}

static pst_status settle_part(psti_core *core, void *number) {
    psti_part *part = core->parts[*(uint32_t *)number];
    unsigned rounding = psti_rounding_enter();
    if (part->owing)
        psti_settle_all(core, part);
    psti_owe_nothing(core, part);
    psti_rounding_leave(rounding);
    return PST_OK;
}

/* What a step has left is whole: h and c, and where settle mends c that, too. */
static void await_state(const pst_stream *s) {
    int mends = 0;
    for (uint32_t i = 0; i < s->engine->count; i++)
        mends |= s->engine->caller->layers[i].mends;
    uint32_t number = s->number;
    if (mends)
        (void)psti_on_all_cores(s->engine, settle_part, &number);
    else
        psti_await_copied(s->engine);
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
    await_state(s);
    for (uint32_t i = 0; i < e->count; i++) {
        const psti_placed *layer = &e->caller->layers[i];
        if (psti_has_state(layer))
            save_layer(s, i, out, &at);
        if (!keeps_input(layer))
            continue;
        save_input(s, i, out + at);
        at += input_bytes(layer);
    }
    uint64_t hash = psti_hash(state, at);
    memcpy(out + at, &hash, sizeof hash);
    return PST_OK;
}

/* A slice of h from its code, in the layer's own scale. */
static void decode(const psti_placed *layer, const psti_h_code *code, float *h) {
    int operand = operand_of(layer, PSTI_MATRIX_RECURRENT);
    const signed char *high = (const signed char *)code->part[0];
    const signed char *low = (const signed char *)code->part[1];
    double scale = (double)layer->out->static_scale[operand];
    for (uint32_t u = 0; u < layer->units; u++) {
        uint16_t half;
        if (operand == PSTI_OPERAND_F32) {
            memcpy(h + u, code->part[0] + 4 * (size_t)u, sizeof *h);
        } else if (operand == PSTI_OPERAND_BF16) {
            memcpy(&half, code->part[0] + 2 * (size_t)u, sizeof half);
            h[u] = psti_from_bf16(half);
        } else if (operand == PSTI_OPERAND_A16) {
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
    await_state(s);
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
static int sound_digits(int operand, signed char high, signed char low) {
    int a = 256 * high + low;
    return high != -128 && (operand != PSTI_OPERAND_A16 || (a >= -32512 && a <= 32512));
}

static int all_zero(const char *p, size_t n) {
    while (n && *p == 0)
        p++, n--;
    return n == 0;
}

/* Digits in range, a scale of 2^e that a step can have found (0 where it is static), padding zero. */
static pst_status check_input(const psti_placed *layer, const char *in) {
    int operand = operand_of(layer, PSTI_MATRIX_INPUT);
    size_t bytes[2], n = layer->inputs;
    code_bytes(operand, bytes);
    for (size_t i = 0; i < n; i++)
        if (!sound_digits(operand, (signed char)in[i], bytes[1] ? (signed char)in[n + i] : 0))
            return corrupt("input", "a value is out of range");
    in += (bytes[0] + bytes[1]) * n;
    float scale;
    memcpy(&scale, in, sizeof scale);
    int is_static = layer->in->exponent_scale[0] == PSTI_NOWHERE;
    int none = psti_bits(scale) == 0; /* no step yet, or a static one */
    if (none ? !is_static && !all_zero(in - (bytes[0] + bytes[1]) * n, (bytes[0] + bytes[1]) * n)
             : is_static || psti_bits(scale) & 0x807fffff || !(scale >= 0x1p-60f && scale <= 0x1p61f))
        return corrupt("input", "its scale is not a power of two from 2^-60 to 2^61");
    size_t used = (bytes[0] + bytes[1]) * n + sizeof scale;
    return all_zero(in + sizeof scale, padding(used)) ? PST_OK : corrupt("padding", "not zero");
}

/* c and the float codes of h are finite and not below their bounds, integer codes in range, padding is zero. */
static pst_status check_values(const pst_stream *s, const char *in) {
    const pst_engine *e = s->engine;
    size_t at = HEADER;
    for (uint32_t i = 0; i < e->count; i++) {
        const psti_placed *layer = &e->caller->layers[i];
        if (!psti_has_state(layer))
            continue;
        int operand = operand_of(layer, PSTI_MATRIX_RECURRENT);
        for (uint32_t u = 0; u < layer->outputs; u++, at += sizeof(float)) {
            float c;
            memcpy(&c, in + at, sizeof c);
            if (!(fabsf(c) <= 0x1p61f) || psti_bits(c) != psti_bits(psti_flush(c, -80)))
                return corrupt("c", "a value is not finite, or is smaller than any that a step leaves");
        }
        size_t bytes[2];
        code_bytes(operand, bytes);
        for (uint32_t u = 0; u < layer->outputs; u++) {
            float v = 0;
            uint16_t half;
            if (operand == PSTI_OPERAND_F32)
                memcpy(&v, in + at + 4 * (size_t)u, sizeof v);
            if (operand == PSTI_OPERAND_BF16) {
                memcpy(&half, in + at + 2 * (size_t)u, sizeof half);
                v = psti_from_bf16(half);
            }
            int least = operand == PSTI_OPERAND_F32 ? -40 : -48;
            if (!(fabsf(v) <= 0x1p41f) || psti_bits(v) != psti_bits(psti_flush(v, least)) ||
                (operand >= PSTI_OPERAND_A16 &&
                 !sound_digits(operand, (signed char)in[at + u], (signed char)in[at + u + bytes[1] * layer->outputs])))
                return corrupt("h", "a value is out of range");
        }
        at += (bytes[0] + bytes[1]) * layer->outputs;
        if (!all_zero(in + at, padding(at)))
            return corrupt("padding", "not zero");
        at += padding(at);
        pst_status status = keeps_input(layer) ? check_input(layer, in + at) : PST_OK;
        if (status)
            return status;
        at += keeps_input(layer) ? input_bytes(layer) : 0;
    }
    return PST_OK;
}

typedef struct {
    uint32_t number;
    const char *state;
} restoring;

static void restore_input(const psti_part *part, const psti_placed *layer, const char *in) {
    input_code code = input_code_of(part, layer);
    for (int k = 0; k < 2; k++)
        if (code.bytes[k]) {
            memcpy(code.run[k], in, code.bytes[k]);
            in += code.bytes[k];
        }
    if (code.scale)
        memcpy(code.scale, in, sizeof(float));
}

/* A job: c of this core's slices and all of h, then a settle. The state was checked. */
static pst_status restore_part(psti_core *core, void *argument) {
    const restoring *r = argument;
    psti_part *part = core->parts[r->number];
    size_t at = HEADER;
    unsigned rounding = psti_rounding_enter();
    psti_owe_nothing(core, part);
    part->time = 0;
    part->mendable = 0;
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
        if (keeps_input(layer)) {
            restore_input(part, layer, r->state + at);
            at += input_bytes(layer);
        }
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

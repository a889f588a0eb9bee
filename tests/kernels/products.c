/* Product kernels (lstm, linear, settle) on random layers against the scalar level, bit for bit. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cpu/levels.h"
#include "harness.h"

static size_t round_up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
}

/* An operand of random values in one encoding, padded with zeros as the engine pads. */
static psti_operand random_operand(int encoding, uint32_t n) {
    int operand = psti_encodings[encoding].operand;
    size_t padded = round_up(n, PSTI_RUN);
    psti_operand o = {.scale =
                          ldexpf(1.0f / (operand == PSTI_OPERAND_A16 ? 32512.0f : 127.0f), (int)random_below(60) - 30)};
    float *f32 = guard_take(padded * sizeof(float));
    memset(f32, 0, padded * sizeof(float));
    uint16_t *bf16 = guard_take(padded * sizeof(uint16_t));
    memset(bf16, 0, padded * sizeof(uint16_t));
    int8_t *high = guard_take(padded), *low = guard_take(padded);
    memset(high, 0, padded);
    memset(low, 0, padded);
    for (uint32_t i = 0; i < n; i++) {
        f32[i] = psti_flush(random_value(), -40);
        bf16[i] = psti_to_bf16(psti_flush(random_value(), -48));
        high[i] = (int8_t)((int)random_below(255) - 127);
        low[i] = (int8_t)((int)random_below(256) - 128);
    }
    o.code = operand == PSTI_OPERAND_F32 ? (void *)f32 : operand == PSTI_OPERAND_BF16 ? (void *)bf16 : (void *)high;
    o.low = operand == PSTI_OPERAND_A16 ? low : NULL;
    o.room = psti_encodings[encoding].grouped ? guard_take(psti_operand_room(n)) : NULL;
    return o;
}

/* Mostly short; sometimes beyond where a level sums in another way (avx2: 516, 1032). */
static uint32_t random_inputs(void) {
    return 1 + random_below(random_below(8) ? 300 : 1200);
}

/* Of many, most are some of the first again: drawing each anew was a quarter of the harness's time. */
static float *random_floats(size_t n, int least_exponent) {
    const uint32_t fresh = 8192;
    float *v = guard_take(n * sizeof *v);
    for (size_t i = 0; i < n; i++)
        v[i] = i < fresh ? psti_flush(random_value(), least_exponent) : v[random_below(fresh)];
    return v;
}

void product_make(product *p, const row *r, uint32_t units, uint32_t inputs, uint32_t gates) {
    *p = (product){.shape = psti_shape_of(units, inputs, gates)};
    p->vectors = psti_shape_vectors(&p->shape);
    p->shape.group = PSTI_LEAST_GROUP << random_below(4);
    size_t lanes = (size_t)PSTI_LANES * p->vectors, bytes = psti_tiles_bytes(&p->shape, r->encoding);
    float *w = random_floats((size_t)gates * units * inputs, -60);
    unsigned char *tiles = guard_take(bytes);
    float *scale = guard_take(lanes * sizeof *scale);
    int small = random_below(4) == 0; /* products below every bound */
    for (size_t i = 0; small && i < (size_t)gates * units * inputs; i++)
        w[i] = psti_flush(w[i] * 0x1p-40f, -60);
    psti_pack(&p->shape, r->encoding, w, tiles, scale);
    psti_layer_args a = {.shape = &p->shape,
                         .tiles = tiles,
                         .scale = psti_encoding_scaled(r->encoding) ? scale : NULL,
                         .bracket = random_floats(lanes, -80),
                         .x = random_operand(r->encoding, inputs),
                         .first = 0,
                         .last = p->shape.wide + p->shape.narrow,
                         .c_before = random_floats(round_up(units, PSTI_BLOCK), -80)};
    p->scalar = p->adapted = a;
    unsigned char *adapted = guard_copy(tiles, bytes);
    if (psti_encodings[r->encoding].bits == 8)
        r->adapt(adapted, bytes);
    p->adapted.tiles = adapted;
}

static void outputs(psti_layer_args *a, uint32_t units, int which) {
    size_t n = round_up(units, PSTI_BLOCK);
    a->c = guard_take(n * sizeof(float));
    a->out = (psti_sink){.a16_multiplier = 32512.0f * 4, .a8_multiplier = 127.0f * 2};
    a->out.value = which & 1 ? guard_take(n * sizeof(float)) : NULL;
    a->out.f32 = which & 2 ? guard_take(n * sizeof(float)) : NULL;
    a->out.bf16 = which & 4 ? guard_take(n * sizeof(uint16_t)) : NULL;
    a->out.a8 = which & 8 ? guard_take(n) : NULL;
    a->out.a16_high = which & 16 ? guard_take(n) : NULL;
    a->out.a16_low = which & 16 ? guard_take(n) : NULL;
}

/* Gates kept, or not. */
static void keep_gates(product *p) {
    size_t lanes = (size_t)PSTI_LANES * p->vectors;
    if (p->shape.gates != PSTI_GATES || random_below(2))
        return;
    p->scalar.gates = guard_take(lanes * sizeof(float));
    p->adapted.gates = guard_take(lanes * sizeof(float));
}

void product_outputs(product *p, int lstm) {
    int which = (int)random_below(31) + 1;
    if (!lstm)
        which |= 1;
    outputs(&p->scalar, p->shape.units, which);
    outputs(&p->adapted, p->shape.units, which);
    if (lstm)
        keep_gates(p);
}

/* What is stored is 0 or above the bound, and never a negative zero. */
static int below_bound(const float *v, size_t n) {
    for (size_t i = 0; v && i < n; i++)
        if (psti_bits(v[i]) != psti_bits(psti_flush(v[i], -80)))
            return 1;
    return 0;
}

static int differ(const void *a, const void *b, size_t bytes) {
    return a && memcmp(a, b, bytes) != 0;
}

const char *product_compare(const product *p, int lstm) {
    const psti_sink *s = &p->scalar.out, *o = &p->adapted.out;
    size_t n = p->shape.padded_units;
    if (below_bound(p->adapted.out.value, n) || (lstm && below_bound(p->adapted.c, n)))
        return "a value below 2^-80 was kept";
    if (lstm && differ(p->scalar.c, p->adapted.c, n * sizeof(float)))
        return "c differs";
    if (differ(p->scalar.gates, p->adapted.gates, (size_t)PSTI_LANES * p->vectors * sizeof(float)))
        return "the gates differ";
    if (differ(s->value, o->value, n * sizeof(float)) || differ(s->f32, o->f32, n * sizeof(float)))
        return "an fp32 output differs";
    if (differ(s->bf16, o->bf16, n * sizeof(uint16_t)))
        return "a bf16 output differs";
    if (differ(s->a8, o->a8, n) || differ(s->a16_high, o->a16_high, n) || differ(s->a16_low, o->a16_low, n))
        return "an integer output differs";
    return NULL;
}

/* Units that are nearly dead: no input, an input gate shut, c and the other gates around 2^-80. */
static void die_away(product *p) {
    float *bracket = (float *)p->scalar.bracket, *c = (float *)p->scalar.c_before;
    p->scalar.x.scale = p->adapted.x.scale = 0x1p-60f / 127.0f;
    for (uint32_t lane = 0; lane < PSTI_LANES * p->vectors; lane++) {
        uint32_t gate = lane / PSTI_LANES % PSTI_GATES;
        float tiny = psti_flush(ldexpf((float)psti_random_normal(&harness_random), -80), -80);
        bracket[lane] = p->shape.gates == 1 ? 0 : gate == 0 ? -40.0f : gate == 2 ? tiny : 0.5f;
    }
    for (uint32_t u = 0; u < p->shape.units; u++)
        c[u] = psti_flush(ldexpf((float)psti_random_normal(&harness_random), -79), -80);
}

static const char *layer(const row *r, int flush, uint32_t gates) {
    product p;
    product_make(&p, r, 1 + random_below(100), random_inputs(), gates);
    product_outputs(&p, gates == PSTI_GATES);
    if (random_below(4) == 0)
        die_away(&p);
    psti_lstm_fn *kernel = (psti_lstm_fn *)r->function, *scalar = (psti_lstm_fn *)r->scalar;
    scalar(&p.scalar);
    unsigned was = flush ? flush_on() : 0;
    kernel(&p.adapted);
    if (flush)
        flush_restore(was);
    return product_compare(&p, gates == PSTI_GATES);
}

const char *check_lstm(const row *r, int flush) {
    return layer(r, flush, PSTI_GATES);
}

const char *check_linear(const row *r, int flush) {
    return layer(r, flush, 1);
}

/* Of random blocks, random inputs are multiplied ahead, and the level's own kernel does the rest: the same bits as
 * everything at once. A cut is a multiple of 4, as the borders between cores are; the last one is the end. */
const char *check_ahead(const row *r, int flush) {
    product p;
    uint32_t gates = random_below(2) ? PSTI_GATES : 1;
    product_make(&p, r, 1 + random_below(100), random_inputs(), gates);
    product_outputs(&p, gates == PSTI_GATES);
    psti_kernels k = psti_kernels_get(r->level), scalar = psti_kernels_get(PSTI_LEVEL_scalar);
    psti_layer_args *a = &p.adapted;
    uint32_t groups = p.shape.padded_inputs / PSTI_GROUP, from = random_below(groups + 1);
    a->first = random_below(a->last);
    p.scalar.first = a->first;
    a->ahead.from = PSTI_GROUP * from;
    a->ahead.to = PSTI_GROUP * (from + random_below(groups - from + 1));
    a->ahead.blocks = random_below(a->last - a->first + 1);
    a->ahead.partial = guard_take((a->ahead.blocks + 1) * sizeof *a->ahead.partial);
    (gates == 1 ? psti_kernels_linear(&scalar, r->encoding) : psti_kernels_lstm(&scalar, r->encoding))(&p.scalar);
    unsigned was = flush ? flush_on() : 0;
    for (uint32_t b = 0; b < a->ahead.blocks; b++)
        ((psti_ahead_fn *)r->function)(a, a->first + b);
    (gates == 1 ? psti_kernels_linear(&k, r->encoding) : psti_kernels_lstm(&k, r->encoding))(a);
    if (flush)
        flush_restore(was);
    return product_compare(&p, gates == PSTI_GATES);
}

psti_settle_args product_settle(const psti_layer_args *a, float *bracket, uint32_t block, psti_partial *partial) {
    return (psti_settle_args){.shape = a->shape,
                              .tiles = a->tiles,
                              .scale = a->scale,
                              .bias = a->bracket,
                              .bracket = bracket,
                              .h = a->x,
                              .block = block,
                              .from = 0,
                              .to = a->shape->padded_inputs,
                              .partial = partial};
}

/* The kernel's block is cut at random places that are multiples of a run; the scalar one is done at once. */
const char *check_settle(const row *r, int flush) {
    product p;
    product_make(&p, r, 1 + random_below(40), random_inputs(), PSTI_GATES);
    size_t lanes = (size_t)PSTI_LANES * p.vectors;
    float *expect = guard_take(lanes * sizeof *expect), *found = guard_take(lanes * sizeof *found);
    psti_partial *partial = guard_take(2 * sizeof *partial);
    psti_settle_fn *kernel = (psti_settle_fn *)r->function, *scalar = (psti_settle_fn *)r->scalar;
    if (random_below(4) == 0) /* of no bias */
        p.scalar.bracket = p.adapted.bracket = NULL;
    for (uint32_t b = 0; b < p.shape.wide + p.shape.narrow; b++) {
        psti_settle_args whole = product_settle(&p.scalar, expect, b, &partial[0]);
        scalar(&whole);
        psti_settle_args part = product_settle(&p.adapted, found, b, &partial[1]);
        uint32_t end = part.to;
        unsigned was = flush ? flush_on() : 0;
        for (part.from = 0; part.from < end; part.from = part.to) {
            uint32_t to = part.from + PSTI_RUN * (1 + random_below(4));
            part.to = to < end ? to : end;
            kernel(&part);
        }
        if (flush)
            flush_restore(was);
    }
    return memcmp(expect, found, lanes * sizeof *expect) ? "the bracket differs" : NULL;
}

/* A layer's rest, with and without gates to mend: blocks in two calls, c in place of what it was. */
const char *check_mend(const row *r, int flush) {
    psti_shape shape = psti_shape_of(1 + random_below(100), 4, PSTI_GATES);
    size_t lanes = (size_t)PSTI_LANES * psti_shape_vectors(&shape), units = round_up(shape.units, PSTI_BLOCK);
    float *bracket = random_floats(lanes, -80), *c = random_floats(units, -80);
    psti_mend_args a = {.shape = &shape,
                        .rho = random_below(8) ? 2 * (float)psti_random_uniform(&harness_random) - 1 : 0,
                        .rest = random_floats(lanes, -80),
                        .rest_before = random_floats(lanes, -80),
                        .last = shape.wide + (shape.narrow != 0)};
    if (random_below(3)) {
        a.gates = random_floats(lanes, -80);
        a.c_before = random_floats(units, -80);
    }
    psti_mend_args scalar = a, kernel = a;
    scalar.bracket = guard_copy(bracket, lanes * sizeof(float));
    kernel.bracket = guard_copy(bracket, lanes * sizeof(float));
    scalar.c = guard_copy(c, units * sizeof(float));
    kernel.c = guard_copy(c, units * sizeof(float));
    ((psti_mend_fn *)r->scalar)(&scalar);
    unsigned was = flush ? flush_on() : 0;
    kernel.last = random_below(a.last + 1);
    ((psti_mend_fn *)r->function)(&kernel);
    kernel.first = kernel.last;
    kernel.last = a.last;
    ((psti_mend_fn *)r->function)(&kernel);
    if (flush)
        flush_restore(was);
    if (differ(scalar.bracket, kernel.bracket, lanes * sizeof(float)) || below_bound(kernel.bracket, lanes))
        return "the bracket differs, or a value below 2^-80 was kept";
    if (differ(scalar.c, kernel.c, units * sizeof(float)))
        return "c differs";
    return !a.gates && differ(c, kernel.c, units * sizeof(float)) ? "c was touched" : NULL;
}

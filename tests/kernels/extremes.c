/* Integer products at their extremes, all weights at their largest and all digits at each extreme, against int64. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"

static const uint32_t lengths[] = {257, 258, 514, 515, 516, 517, 1040, 4096, 65536};
/* (high, low) digits: the largest and smallest code, and the digits at their own ends */
static const int digits[][2] = {{127, 0},    {-127, 0},   {127, 127}, {-127, -128},
                                {126, -128}, {-126, 127}, {0, -128},  {0, 127}};

/* Sign of the weight of a lane at an input: all plus, all minus, alternating over inputs, over lanes. */
static int sign(int pattern, uint32_t lane, uint32_t input) {
    switch (pattern) {
    case 0:
        return 1;
    case 1:
        return -1;
    case 2:
        return input % 2 ? -1 : 1;
    default:
        return lane % 2 ? -1 : 1;
    }
}

typedef struct {
    psti_shape shape;
    psti_layer_args args;
    int8_t *high, *low;
    int64_t weights[4 * PSTI_LANES]; /* the sum of a lane's */
    float expect[4 * PSTI_LANES];
} extreme;

/* The largest weight, in units of the row's scale. */
static int largest(const extreme *e, const row *r) {
    const psti_encoding *of = &psti_encodings[r->encoding];
    return of->grouped ? of->largest * psti_largest_multiplier(&e->shape, r->encoding) : of->largest;
}

static void make(extreme *e, const row *r, uint32_t n, uint32_t gates, int pattern) {
    e->shape = psti_shape_of(PSTI_BLOCK, n, gates);
    uint32_t lanes = PSTI_LANES * psti_shape_vectors(&e->shape), groups = psti_shape_groups(&e->shape, r->encoding);
    size_t bytes = psti_tiles_bytes(&e->shape, r->encoding);
    unsigned char *tiles = guard_take(bytes), *multiplier = guard_take((size_t)lanes * groups + 1);
    signed char *code = guard_take((size_t)lanes * n);
    float *ones = guard_take(lanes * sizeof *ones), *scale = guard_take(lanes * sizeof *scale);
    float *bracket = guard_take(lanes * sizeof *bracket);
    memset(bracket, 0, lanes * sizeof *bracket);
    memset(multiplier, psti_largest_multiplier(&e->shape, r->encoding), (size_t)lanes * groups);
    for (uint32_t lane = 0; lane < lanes; lane++) {
        int64_t signs = 0;
        ones[lane] = 1.0f;
        for (uint32_t i = 0; i < n; i++) {
            int one = sign(pattern, lane, i);
            code[(size_t)lane * n + i] = (signed char)(psti_encodings[r->encoding].largest * one);
            signs += one;
        }
        e->weights[lane] = largest(e, r) * signs;
    }
    /* one block: a lane is the row of its number */
    psti_pack_codes(&e->shape, r->encoding, &(psti_codes){code, multiplier, ones}, tiles, scale);
    if (psti_encodings[r->encoding].bits == 8)
        r->adapt(tiles, bytes);
    size_t padded = ((size_t)n + PSTI_RUN - 1) / PSTI_RUN * PSTI_RUN;
    int two = psti_encodings[r->encoding].operand == PSTI_OPERAND_A16;
    e->high = guard_take(padded);
    e->low = guard_take(padded);
    e->args = (psti_layer_args){
        .shape = &e->shape,
        .tiles = tiles,
        .scale = ones,
        .bracket = bracket,
        .x = {.code = e->high, .low = two ? e->low : NULL, .scale = 1.0f, .room = guard_take(psti_operand_room(n))},
        .last = e->shape.wide};
}

/* Digits of one pair everywhere; the value that each lane must have. */
static void set(extreme *e, int pair) {
    uint32_t n = e->shape.inputs, lanes = PSTI_LANES * psti_shape_vectors(&e->shape);
    memset(e->high, digits[pair][0], n);
    memset(e->low, digits[pair][1], n);
    size_t padded = ((size_t)n + PSTI_RUN - 1) / PSTI_RUN * PSTI_RUN;
    memset(e->high + n, 0, padded - n);
    memset(e->low + n, 0, padded - n);
    for (uint32_t lane = 0; lane < lanes; lane++) {
        int64_t s1 = e->weights[lane] * digits[pair][0], s0 = e->weights[lane] * digits[pair][1];
        e->expect[lane] = e->args.x.low ? fmaf((float)s1, 256.0f, (float)s0) : (float)s1;
    }
}

typedef int (*differs)(extreme *e, const row *r);

static const char *all(const row *r, uint32_t gates, differs run) {
    static char text[96];
    for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++)
        for (int pattern = 0; pattern < 4; pattern++) {
            extreme e;
            make(&e, r, lengths[l], gates, pattern);
            for (size_t pair = 0; pair < sizeof digits / sizeof digits[0]; pair++) {
                set(&e, (int)pair);
                if (run(&e, r)) {
                    snprintf(text, sizeof text, "n = %u, pattern %d, digits %d and %d", lengths[l], pattern,
                             digits[pair][0], digits[pair][1]);
                    return text;
                }
            }
            guard_free();
        }
    return NULL;
}

static int linear_differs(extreme *e, const row *r) {
    float found[PSTI_LANES];
    e->args.out = (psti_sink){.value = found};
    ((psti_linear_fn *)r->function)(&e->args);
    return memcmp(found, e->expect, sizeof found) != 0;
}

static int settle_differs(extreme *e, const row *r) {
    float found[4 * PSTI_LANES];
    psti_partial partial;
    psti_settle_args whole = product_settle(&e->args, found, 0, &partial);
    ((psti_settle_fn *)r->function)(&whole);
    return memcmp(found, e->expect, sizeof found) != 0;
}

/* h and c say only whether the gates were right; run against the scalar level's on the same tiles is check_lstm's. Here
 * the scale makes the gates small enough to tell sums apart: gate = sum / (127 n 128). */
static int lstm_differs(extreme *e, const row *r) {
    float c[PSTI_LANES], h[PSTI_LANES], c_expect[PSTI_LANES], h_expect[PSTI_LANES], zero[PSTI_LANES] = {0};
    e->args.x.scale = 1.0f / ((float)largest(e, r) * 128.0f * 256.0f * (float)e->shape.inputs);
    e->args.c_before = zero;
    e->args.c = c;
    e->args.out = (psti_sink){.value = h};
    ((psti_lstm_fn *)r->function)(&e->args);
    /* the same gates given as brackets to a layer whose operand is zero */
    float bracket[4 * PSTI_LANES];
    for (int lane = 0; lane < 4 * PSTI_LANES; lane++)
        bracket[lane] = fmaf(e->expect[lane], e->args.x.scale, 0.0f);
    int8_t none[2][PSTI_RUN] = {{0}};
    psti_shape small = psti_shape_of(PSTI_BLOCK, 4, PSTI_GATES);
    psti_layer_args given = e->args;
    given.shape = &small;
    given.bracket = bracket;
    given.x.code = none[0];
    given.x.low = e->args.x.low ? none[1] : NULL;
    given.c = c_expect;
    given.out.value = h_expect;
    ((psti_lstm_fn *)r->scalar)(&given);
    return memcmp(c, c_expect, sizeof c) != 0 || memcmp(h, h_expect, sizeof h) != 0;
}

const char *check_extremes_linear(const row *r) {
    return all(r, 1, linear_differs);
}

const char *check_extremes_settle(const row *r) {
    return all(r, PSTI_GATES, settle_differs);
}

const char *check_extremes_lstm(const row *r) {
    return all(r, PSTI_GATES, lstm_differs);
}

/* Products of weights of fewer than 8 bits with one or two digits of activation: exact in int32, so in any order. A
 * weight is multiplier x code: the codes of a chunk of 32 inputs (64 of 2 bits) are multiplied and summed as they are
 * stored, unsigned, from a beginning that takes off what is too much, so that the chunk's sum of code x digit has 16
 * bits, and is then taken times the chunk's multiplier, in one step for all of them. u is (code + largest) / 2 of 3 and
 * 2 bits, whose codes are odd, so there the sum is of 2 u d; else code + 2^(BITS - 1). Of 6 bits there are no
 * multipliers.
 *
 * Before including this, a file defines BITS, DIGITS (1 or 2), ENCODING, ENCODING_NUMBER, and includes its build's
 * few.h, which has:
 *
 * - vi: 16 int32, as for w8.h; few: one word of 16 lanes; quad: 4 digits for all lanes; few_sum: the sums of a chunk.
 * - few_load(word); few_mask(w, m): its bytes & m; few_right(w, n), few_left(w, n): shifted, so that a mask may follow;
 *   few_select(m, a, b): a in the bits of the mask m, b in the others; quad_load(digits).
 * - few_begin(b), the same in every lane; few_begins(n): b, n being less the sum of the digits; few_dot(sum, u, quad):
 *   sum + u . d.
 * - FEW_IN_PLACE, 1: quads of 4 and 2 bits are summed where they stand in their byte, each with sums of its own, and
 *   few_join(sums) shifts them down and adds; few_begins(n) is of the second of 4 sums, or of the first. 0: they are
 *   shifted down before.
 * - few_times, few_times_load(m): multipliers of 16 lanes; few_weigh(total, sum, times): total + multiplier x sum.
 * - FEW_GATES_INNER, 1: a chunk's gates side by side; 0: one after the other, where registers are few.
 * - few6_dot(total, u, quad): vi, total + u . d, for 6 bits.
 * - few_digit_sum(d): the sum of 32 digits. */

#define GROUPED (BITS != 6)
#define CHUNK PSTI_CHUNK(BITS)
#define BEGINS (FIELDS == 4 ? 1 : 0)           /* which of them; of 2 bits the first would have to begin with a half */
#define WORD_QUADS (PSTI_FEW_INPUTS(BITS) / 4) /* of PSTI_FEW_WORDS words */
#define CHUNK_QUADS (CHUNK / 4)
#define FIELDS (!FEW_IN_PLACE ? 1 : BITS == 2 ? 4 : 2) /* sums of a chunk */
/* How far ahead of its use a chunk is asked for: worth 2 to 5 % where weights come from L3 (med), nothing from L2; 6 KB
 * are too far. */
#define AHEAD_BYTES 2048
/* Stages of a cell one after the other: a loop of few chunks costs more than it hides. ns a block of 256 inputs with 1,
 * 2 and 4 of them, avx512_vnni: w4a8 131, 139, 140; w2a8 154, 140, 138; w4a16 230, 218, 209; avx2: w4a8 314, 299, 288.
 */
#define FEW_STAGES (FEW_GATES_INNER && BITS == 4 && DIGITS == 1 ? 1 : 4)

/* What all blocks have in common of a chunk: what its sums begin with, and its group. */
typedef struct {
    int32_t begin[DIGITS];
    uint32_t group;
} few_info;

typedef struct {
    const int8_t *digit[DIGITS]; /* high first */
    float scale;
#if GROUPED
    uint32_t groups, first_chunk;
    few_info *chunk; /* from `first_chunk` on, in the room of the operand */
#else
    int32_t digits[DIGITS]; /* of all inputs */
#endif
} sums_context;

/* Of a block. */
typedef struct {
    vi product[DIGITS][PSTI_GATES];
} totals;

static inline uint32_t chunks_of(uint32_t inputs) {
    return (inputs + CHUNK - 1) / CHUNK;
}

static inline void context_of(sums_context *c, const psti_operand *x) {
    c->digit[0] = x->code;
#if GROUPED
    c->chunk = x->room;
#endif
#if DIGITS == 2
    c->digit[1] = x->low;
#endif
    c->scale = x->scale;
}

/* Operands are padded to 64 with zeros. */
static inline int32_t digits_sum(const int8_t *d, uint32_t n) {
    int32_t sum = 0;
    for (uint32_t i = 0; i < n; i += 32)
        sum += few_digit_sum(d + i);
    return sum;
}

#if GROUPED
static inline void chunks_begin(sums_context *c, const psti_shape *s, uint32_t from, uint32_t to) {
    uint32_t shift = (uint32_t)__builtin_ctz(psti_shape_group(s, ENCODING_NUMBER) / CHUNK);
    c->groups = (chunks_of(s->inputs) + (1u << shift) - 1) >> shift;
    c->first_chunk = from;
    for (uint32_t i = from; i < to; i++) {
        few_info *info = &c->chunk[i - from];
#pragma GCC unroll 2
        for (int k = 0; k < DIGITS; k++)
            info->begin[k] = few_begins(-digits_sum(c->digit[k] + (size_t)i * CHUNK, CHUNK));
        info->group = i >> shift;
    }
}
#endif

static inline void sums_begin(sums_context *c, const psti_operand *x, const psti_shape *s) {
    context_of(c, x);
#if GROUPED
    chunks_begin(c, s, 0, chunks_of(s->inputs));
#else
#pragma GCC unroll 2
    for (int k = 0; k < DIGITS; k++)
        c->digits[k] = digits_sum(c->digit[k], s->padded_inputs);
#endif
}

#if BITS != 3
/* u of one quad of the chunk (6 bits: of a run of words) that begins at `w`; of 2 bits 2 u. */
static inline __attribute__((always_inline)) few few_quad(const unsigned char *w, const size_t stride, uint32_t nth) {
#if BITS == 4
    few word = few_load(w + nth / 2 * stride);
    return few_mask(nth % 2 ? few_right(word, 4) : word, 15);
#elif BITS == 2
    few word = few_load(w + nth / 4 * stride);
    return few_mask(nth % 4 ? few_right(word, 2 * (int)(nth % 4) - 1) : few_left(word, 1), 6);
#elif BITS == 6
    /* of the high bits those of every second quad: one mask for two, and none is left to take off */
    few low = few_load(w + nth / 2 * stride), high = few_mask(few_load(w + 2 * stride), nth % 2 ? 0xcc : 0x33);
    if (nth % 2)
        low = few_right(low, 4);
    if (nth < 2)
        high = few_left(high, 4 - 2 * (int)nth);
    else if (nth > 2)
        high = few_right(high, 2);
    return few_select(15, low, high);
#endif
}
#else
/* 2 u of the quads nth and nth + 4 of a chunk of 3 bits, in bits 1-3 and 5-7 of their bytes: 2 quads share most of the
 * steps (15 shifts a vector and chunk became 9; w3a8, avx512_vnni, 242 ns a block of 256 inputs, then 218). `low`: the
 * low 2 bits of the quads 0, 1, 4 and 5, or of 2, 3, 6 and 7, one quad after the other. */
static inline __attribute__((always_inline)) few few_pair(few low, few high, uint32_t nth) {
    low = nth % 2 ? few_right(low, 1) : few_left(low, 1);
    return few_select(0x66, low, nth < 3 ? few_left(high, 3 - (int)nth) : high);
}
#endif

#if GROUPED
/* The sums of one chunk, of vectors [v, v + count), `quads` of it. */
static inline __attribute__((always_inline)) void few_chunk(const int8_t *const digit[DIGITS], const unsigned char *w,
                                                            const uint32_t quads, const uint32_t vectors,
                                                            const uint32_t count,
                                                            few_sum sum[PSTI_GATES][DIGITS][FIELDS]) {
    const size_t stride = (size_t)vectors * PSTI_LANES * 4;
#if FEW_IN_PLACE && BITS != 3
#pragma GCC unroll 4
    for (uint32_t word = 0, input = 0; word < quads / FIELDS; word++, w += stride, input += 4 * FIELDS) {
        quad d[DIGITS][FIELDS];
#pragma GCC unroll 2
        for (int k = 0; k < DIGITS; k++)
#pragma GCC unroll 4
            for (int f = 0; f < FIELDS; f++)
                d[k][f] = quad_load(digit[k] + input + 4 * f);
#pragma GCC unroll 4
        for (uint32_t v = 0; v < count; v++) {
            few bits = few_load(w + (size_t)v * PSTI_LANES * 4);
#pragma GCC unroll 4
            for (int f = 0; f < FIELDS; f++) {
                few u = few_mask(bits, ((1 << BITS) - 1) << BITS * f);
#pragma GCC unroll 2
                for (int k = 0; k < DIGITS; k++)
                    sum[v][k][f] = few_dot(sum[v][k][f], u, d[k][f]);
            }
        }
    }
#elif BITS == 3
    (void)quads; /* words hold all of a chunk */
    quad d[8];
#pragma GCC unroll 8
    for (int q = 0; q < 8; q++)
        d[q] = quad_load(digit[0] + 4 * q);
#pragma GCC unroll 4
    for (uint32_t v = 0; v < count; v++, w += PSTI_LANES * 4) {
        few first = few_load(w), second = few_load(w + stride), high = few_load(w + 2 * stride);
        few low[2] = {few_select(15, first, few_left(second, 4)), few_select(15, few_right(first, 4), second)};
#pragma GCC unroll 4
        for (uint32_t q = 0; q < 4; q++) {
            few pair = few_pair(low[q / 2], high, q), above = FEW_IN_PLACE ? pair : few_right(pair, 4);
            sum[v][0][0] = few_dot(sum[v][0][0], few_mask(pair, 0x0e), d[q]);
            few_sum *other = &sum[v][0][FIELDS - 1];
            *other = few_dot(*other, few_mask(above, FEW_IN_PLACE ? 0xe0 : 0x0e), d[4 + q]);
        }
    }
#else
    for (uint32_t q = 0, input = 0; q < quads; q += WORD_QUADS, w += PSTI_FEW_WORDS(BITS) * stride) {
#pragma GCC unroll 8
        for (uint32_t part = 0; part < WORD_QUADS; part++, input += 4) {
            quad d[DIGITS];
#pragma GCC unroll 2
            for (int k = 0; k < DIGITS; k++)
                d[k] = quad_load(digit[k] + input);
#pragma GCC unroll 4
            for (uint32_t v = 0; v < count; v++) {
                few u = few_quad(w + (size_t)v * PSTI_LANES * 4, stride, part);
#pragma GCC unroll 2
                for (int k = 0; k < DIGITS; k++)
                    sum[v][k][0] = few_dot(sum[v][k][0], u, d[k]);
            }
        }
    }
#endif
}

/* A chunk of some vectors, begun and taken times its multipliers. */
static inline __attribute__((always_inline)) void few_group(const few_info *info, const int8_t *const digit[DIGITS],
                                                            const unsigned char *times, const unsigned char *w,
                                                            const uint32_t quads, const uint32_t vectors,
                                                            const uint32_t first, const uint32_t count, totals *t) {
    few_sum sum[PSTI_GATES][DIGITS][FIELDS];
#pragma GCC unroll 2
    for (int k = 0; k < DIGITS; k++)
#pragma GCC unroll 4
        for (uint32_t v = 0; v < count; v++)
#pragma GCC unroll 4
            for (int f = 0; f < FIELDS; f++)
                sum[v][k][f] = few_begin(f == BEGINS ? info->begin[k] : 0);
    few_chunk(digit, w + (size_t)first * PSTI_LANES * 4, quads, vectors, count, sum);
#pragma GCC unroll 4
    for (uint32_t v = 0; v < count; v++) {
        few_times m = few_times_load(times + (size_t)(first + v) * PSTI_LANES);
#pragma GCC unroll 2
        for (int k = 0; k < DIGITS; k++)
            t->product[k][first + v] = few_weigh(t->product[k][first + v], few_join(sum[v][k]), m);
    }
}

/* Adds the chunks [from, to), of `quads` quads each: all of a chunk, or what the last one has. */
static inline __attribute__((always_inline)) void few_chunks(const sums_context *c, const unsigned char *tiles,
                                                             uint32_t from, uint32_t to, const uint32_t quads,
                                                             const uint32_t vectors, totals *t) {
    const size_t chunk_bytes = (size_t)CHUNK_QUADS / WORD_QUADS * PSTI_FEW_WORDS(BITS) * vectors * PSTI_LANES * 4;
    const uint32_t at_once = FEW_GATES_INNER ? vectors : 1;
    const size_t head = ((size_t)c->groups * vectors * PSTI_LANES + 63) / 64 * 64;
    const unsigned char *w = tiles + head + from * chunk_bytes;
    const few_info *info = c->chunk + (from - c->first_chunk);
    const int8_t *digit[DIGITS];
#pragma GCC unroll 2
    for (int k = 0; k < DIGITS; k++)
        digit[k] = c->digit[k] + (size_t)from * CHUNK;
    for (; from < to; from++, w += chunk_bytes, info++) {
        const unsigned char *times = tiles + (size_t)info->group * vectors * PSTI_LANES;
        for (size_t i = 0; i < chunk_bytes; i += 64)
            __builtin_prefetch(w + AHEAD_BYTES + i);
        for (uint32_t v = 0; v < vectors; v += at_once)
            few_group(info, digit, times, w, quads, vectors, v, at_once, t);
#pragma GCC unroll 2
        for (int k = 0; k < DIGITS; k++)
            digit[k] += CHUNK;
    }
}
#else
/* Adds the inputs of the runs of 16 [from, to). */
static inline __attribute__((always_inline)) void few_runs(const sums_context *c, const unsigned char *tiles,
                                                           uint32_t from, uint32_t to, const uint32_t vectors,
                                                           totals *t) {
    const size_t stride = (size_t)vectors * PSTI_LANES * 4;
    const unsigned char *w = tiles + from * PSTI_FEW_WORDS(BITS) * stride;
    for (uint32_t run = from; run < to; run++, w += PSTI_FEW_WORDS(BITS) * stride) {
#pragma GCC unroll 4
        for (uint32_t q = 0; q < WORD_QUADS; q++) {
            quad d[DIGITS];
#pragma GCC unroll 2
            for (int k = 0; k < DIGITS; k++)
                d[k] = quad_load(c->digit[k] + run * PSTI_FEW_INPUTS(BITS) + 4 * q);
#pragma GCC unroll 4
            for (uint32_t v = 0; v < vectors; v++) {
                few u = few_quad(w + (size_t)v * PSTI_LANES * 4, stride, q);
#pragma GCC unroll 2
                for (int k = 0; k < DIGITS; k++)
                    t->product[k][v] = few6_dot(t->product[k][v], u, d[k]);
            }
        }
    }
}
#endif

/* Units that sums are taken in: whole chunks, or runs of words. */
#define UNIT (GROUPED ? CHUNK : PSTI_FEW_INPUTS(BITS))

/* How many there are, and how many of them are full. */
static inline uint32_t units_of(const psti_shape *s) {
    return (s->inputs + UNIT - 1) / UNIT;
}

static inline uint32_t full_units(const psti_shape *s) {
    return GROUPED ? s->inputs / UNIT : units_of(s); /* words are always full */
}

/* Among the stages of a cell, chunks with many sums are called: the registers are the sums' then, and not the cell's
 * constants. ns a block of 256 inputs, inline and called, avx512_vnni: w2a8 171, 138; w4a16 259, 209; w4a8 131, 137.
 * Without a cell inline is faster (settle of w2a8: 116, 123), and in ymm, where sums are of one gate, always. */
#define FEW_CALLED (FEW_GATES_INNER && GROUPED && (DIGITS == 2 || FIELDS == 4))

#if FEW_CALLED
static __attribute__((noinline)) void few_called(const sums_context *c, const unsigned char *tiles, uint32_t from,
                                                 uint32_t to, totals *t) {
    totals own = *t;
    few_chunks(c, tiles, from, to, CHUNK_QUADS, PSTI_GATES, &own);
    *t = own;
}
#endif

/* Adds full units; `woven`: among the stages of a cell. */
static inline __attribute__((always_inline)) void few_full(const sums_context *c, const unsigned char *tiles,
                                                           uint32_t from, uint32_t to, const uint32_t vectors,
                                                           const int woven, totals *t) {
    (void)woven;
#if FEW_CALLED
    if (woven && vectors == PSTI_GATES) {
        few_called(c, tiles, from, to, t);
        return;
    }
#endif
#if GROUPED
    few_chunks(c, tiles, from, to, CHUNK_QUADS, vectors, t);
#else
    few_runs(c, tiles, from, to, vectors, t);
#endif
}

/* Adds the last unit, if it is one of [from, to) and not full. */
static inline __attribute__((always_inline)) void few_last(const sums_context *c, const unsigned char *tiles,
                                                           const psti_shape *s, uint32_t from, uint32_t to,
                                                           const uint32_t vectors, totals *t) {
#if GROUPED
    uint32_t full = full_units(s);
    if (from < to && to > full) {
        uint32_t inputs = s->inputs - full * UNIT, held = PSTI_FEW_INPUTS(BITS);
        few_chunks(c, tiles, full, to, (inputs + held - 1) / held * WORD_QUADS, vectors, t);
    }
#else
    (void)c, (void)tiles, (void)s, (void)from, (void)to, (void)vectors, (void)t;
#endif
}

/* Adds units, the last of which may not be full. */
static inline __attribute__((always_inline)) void few_units(const sums_context *c, const unsigned char *tiles,
                                                            const psti_shape *s, uint32_t from, uint32_t to,
                                                            const uint32_t vectors, const int woven, totals *t) {
    uint32_t full = full_units(s);
    few_full(c, tiles, from, to < full ? to : full, vectors, woven, t);
    few_last(c, tiles, s, from, to, vectors, t);
}

static inline __attribute__((always_inline)) void totals_zero(totals *t, const uint32_t vectors) {
#pragma GCC unroll 2
    for (int k = 0; k < DIGITS; k++)
#pragma GCC unroll 4
        for (uint32_t v = 0; v < vectors; v++)
            t->product[k][v] = vi_zero();
}

static inline __attribute__((always_inline)) void totals_load(const psti_partial *partial, const uint32_t vectors,
                                                              totals *t) {
#pragma GCC unroll 2
    for (int k = 0; k < DIGITS; k++)
#pragma GCC unroll 4
        for (uint32_t v = 0; v < vectors; v++)
            t->product[k][v] = vi_load(partial->word[k][v]);
}

static inline __attribute__((always_inline)) void totals_store(psti_partial *partial, const uint32_t vectors,
                                                               const totals *t) {
#pragma GCC unroll 2
    for (int k = 0; k < DIGITS; k++)
#pragma GCC unroll 4
        for (uint32_t v = 0; v < vectors; v++)
            vi_store(partial->word[k][v], t->product[k][v]);
}

/* The sum of weight x digit. */
static inline vi totals_sum(const sums_context *c, const totals *t, int k, uint32_t v) {
#if GROUPED
    (void)c;
    return t->product[k][v];
#else
    return vi_subtract_all(t->product[k][v], PSTI_FEW_OFFSET(BITS) * c->digits[k]);
#endif
}

static inline __attribute__((always_inline)) void totals_value(const sums_context *c, const totals *t,
                                                               const uint32_t vectors, vf *value) {
#pragma GCC unroll 4
    for (uint32_t v = 0; v < vectors; v++) {
        vf high = vi_to_float(totals_sum(c, t, 0, v));
#if DIGITS == 2
        value[v] = vf_fma(high, vf_all(256.0f), vi_to_float(totals_sum(c, t, 1, v)));
#else
        value[v] = high;
#endif
    }
}

/* The units that lie whole within [from, to) of the inputs; the end counts as a border. */
static inline uint32_t first_unit(uint32_t from) {
    return (from + UNIT - 1) / UNIT;
}

static inline uint32_t last_unit(const psti_shape *s, uint32_t from, uint32_t to) {
    uint32_t last = to >= s->inputs ? units_of(s) : to / UNIT, first = first_unit(from);
    return last > first ? last : first;
}

static inline __attribute__((always_inline)) void sums_ahead(const psti_operand *x, const unsigned char *tiles,
                                                             const psti_shape *s, const uint32_t vectors,
                                                             const psti_ahead *ahead, psti_partial *begun) {
    sums_context c;
    totals t;
    uint32_t from = first_unit(ahead->from), to = last_unit(s, ahead->from, ahead->to);
    context_of(&c, x);
#if GROUPED
    chunks_begin(&c, s, from, to);
#endif
    totals_zero(&t, vectors);
    few_units(&c, tiles, s, from, to, vectors, 0, &t);
    totals_store(begun, vectors, &t);
}

static inline __attribute__((always_inline)) void sums_whole(const sums_context *c, const unsigned char *tiles,
                                                             const psti_shape *s, const uint32_t vectors, vf *value,
                                                             psti_cell *cell, const psti_ahead *ahead,
                                                             const psti_partial *begun) {
    totals t;
    uint32_t from = 0, end = units_of(s);
    if (begun) { /* what is left lies on two sides: the cell is woven into the longer one */
        uint32_t done = first_unit(ahead->from), other = last_unit(s, ahead->from, ahead->to), other_end = end;
        totals_load(begun, vectors, &t);
        end = done;
        if (end < other_end - other) {
            from = other;
            end = other_end;
            other = 0;
            other_end = done;
        }
        few_units(c, tiles, s, other, other_end, vectors, 1, &t);
    } else {
        totals_zero(&t, vectors);
    }
    const uint32_t parts = cell ? PSTI_CELL_STAGES / FEW_STAGES : 1;
    uint32_t at = from, full = end < full_units(s) ? end : full_units(s);
#pragma GCC unroll 8
    for (uint32_t part = 0; part < parts; part++) {
        uint32_t to = part + 1 == parts ? full : from + (full - from) * (part + 1) / parts;
        few_full(c, tiles, at, to, vectors, cell != NULL, &t);
        at = at < to ? to : at;
#pragma GCC unroll 8
        for (int stage = 0; cell && stage < FEW_STAGES; stage++)
            psti_cell_stage(cell, (int)part * FEW_STAGES + stage);
    }
    few_last(c, tiles, s, at, end, vectors, &t);
    totals_value(c, &t, vectors, value);
}

/* [from, to) are multiples of PSTI_RUN, or the end. */
static inline void sums_part(const sums_context *c, const unsigned char *tiles, uint32_t from, uint32_t to,
                             const psti_shape *s, const uint32_t vectors, psti_partial *partial) {
    totals t;
    totals_load(partial, vectors, &t);
    few_units(c, tiles, s, from / UNIT, to >= s->inputs ? units_of(s) : to / UNIT, vectors, 0, &t);
    totals_store(partial, vectors, &t);
}

static inline void sums_value(const sums_context *c, const psti_partial *partial, const uint32_t vectors, vf *value) {
    totals t;
    totals_load(partial, vectors, &t);
    totals_value(c, &t, vectors, value);
}

static inline vf sums_close(const sums_context *c, vf value, const float *scale, vf bracket) {
    return vf_fma(value, vf_mul(vf_load(scale), vf_all(c->scale)), bracket);
}

#include "kernels/template/layer.h"

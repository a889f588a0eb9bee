/* Vectors of 16 floats in plain C: what each operation of the vocabulary means, bit for bit. The other levels' vector.h
 * define the same names with their own instructions. */
#ifndef PSTI_KERNELS_SCALAR_VECTOR_H
#define PSTI_KERNELS_SCALAR_VECTOR_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/number.h"
#include "kernels/kernels.h"

#define PSTI_BUILD_NAME(class, variant) psti_scalar_##class##_##variant

typedef struct {
    float v[PSTI_LANES];
} vf;

#define EACH(expression)                                                                                               \
    vf r;                                                                                                              \
    for (int i = 0; i < PSTI_LANES; i++)                                                                               \
        r.v[i] = (expression);                                                                                         \
    return r

static inline vf vf_load(const float *p) {
    EACH(p[i]);
}
static inline void vf_store(float *p, vf a) {
    memcpy(p, a.v, sizeof a.v);
}
static inline vf vf_all(float v) {
    EACH(v);
}
static inline vf vf_add(vf a, vf b) {
    EACH(a.v[i] + b.v[i]);
}
static inline vf vf_sub(vf a, vf b) {
    EACH(a.v[i] - b.v[i]);
}
static inline vf vf_mul(vf a, vf b) {
    EACH(a.v[i] * b.v[i]);
}
static inline vf vf_div(vf a, vf b) {
    EACH(a.v[i] / b.v[i]);
}
/* a b + c, rounded once. */
static inline vf vf_fma(vf a, vf b, vf c) {
    EACH(fmaf(a.v[i], b.v[i], c.v[i]));
}
/* The second operand where both are equal (+0 and -0): as MAXPS and MINPS do. */
static inline vf vf_max(vf a, vf b) {
    EACH(a.v[i] > b.v[i] ? a.v[i] : b.v[i]);
}
static inline vf vf_min(vf a, vf b) {
    EACH(a.v[i] < b.v[i] ? a.v[i] : b.v[i]);
}
static inline vf vf_abs(vf a) {
    EACH(psti_float(psti_bits(a.v[i]) & 0x7fffffff));
}
/* The magnitude of a with the sign of s. */
static inline vf vf_copysign(vf a, vf s) {
    EACH(psti_float((psti_bits(a.v[i]) & 0x7fffffff) | (psti_bits(s.v[i]) & 0x80000000)));
}
/* To the nearest integer, ties to even. */
static inline vf vf_round(vf a) {
    EACH(rintf(a.v[i]));
}
/* 2^k from 1.5 * 2^23 + k, k integral in [-126, 127]: k is in the last bits. */
static inline vf vf_power2_of_shifted(vf a) {
    EACH(psti_float((psti_bits(a.v[i]) << 23) + 0x3f800000));
}
/* a < b ? x : y, lane by lane. */
static inline vf vf_where_less(vf a, vf b, vf x, vf y) {
    EACH(a.v[i] < b.v[i] ? x.v[i] : y.v[i]);
}
/* +0 where |a| < least; compared as integers, so that a denormal costs nothing. */
static inline vf vf_flush(vf a, float least) {
    EACH((psti_bits(a.v[i]) & 0x7fffffff) < psti_bits(least) ? 0.0f : a.v[i]);
}

/* Stores as bf16, to nearest even. */
static inline void vf_store_bf16(uint16_t *p, vf a) {
    for (int i = 0; i < PSTI_LANES; i++)
        p[i] = psti_to_bf16(a.v[i]);
}
/* Stores integral values in [-32512, 32512] as two balanced digits: 256 high + low. */
static inline void vf_store_digits(int8_t *high, int8_t *low, vf a) {
    for (int i = 0; i < PSTI_LANES; i++) {
        int32_t v = (int32_t)a.v[i], top = (v + 128) >> 8;
        high[i] = (int8_t)top;
        low[i] = (int8_t)(v - 256 * top);
    }
}
/* Stores integral values in [-127, 127]. */
static inline void vf_store_digit(int8_t *p, vf a) {
    for (int i = 0; i < PSTI_LANES; i++)
        p[i] = (int8_t)a.v[i];
}
/* The largest bit pattern of |a|, and of what was there before. */
static inline uint32_t vf_largest_bits(vf a, uint32_t before) {
    for (int i = 0; i < PSTI_LANES; i++) {
        uint32_t bits = psti_bits(a.v[i]) & 0x7fffffff;
        before = bits > before ? bits : before;
    }
    return before;
}

#endif

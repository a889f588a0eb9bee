/* Conversions between number formats, and seeded noise. */
#ifndef PSTI_BASE_NUMBER_H
#define PSTI_BASE_NUMBER_H

#include <stdint.h>
#include <string.h>

static inline uint32_t psti_bits(float v) {
    uint32_t b;
    memcpy(&b, &v, sizeof b);
    return b;
}

static inline float psti_float(uint32_t b) {
    float v;
    memcpy(&v, &b, sizeof v);
    return v;
}

static inline float psti_from_bf16(uint16_t v) {
    return psti_float((uint32_t)v << 16);
}

/* To nearest even; v finite. */
static inline uint16_t psti_to_bf16(float v) {
    uint32_t b = psti_bits(v);
    return (uint16_t)((b + 0x7fff + (b >> 16 & 1)) >> 16);
}

/* IEEE 754 binary16, denormals, infinities and NaN included; exact. */
float psti_from_f16(uint16_t v);

/* v with magnitudes below 2^exponent replaced by +0: how numerics.md keeps denormals out. */
static inline float psti_flush(float v, int exponent) {
    return (psti_bits(v) & 0x7fffffff) < (uint32_t)(exponent + 127) << 23 ? 0.0f : v;
}

/* The same numbers on every machine: xoshiro256** seeded through splitmix64. */
typedef struct {
    uint64_t s[4];
} psti_random;
void psti_random_seed(psti_random *r, uint64_t seed);
uint64_t psti_random_next(psti_random *r);
/* Uniform in [0, 1), 53 bits. */
double psti_random_uniform(psti_random *r);
/* Standard normal: the sum of 12 uniforms less 6 would have no tails, so Box-Muller's cosine half. */
double psti_random_normal(psti_random *r);

#endif

/* Seeded random numbers, the same on every machine: splitmix64 (Steele, Lea and Flood 2014, OOPSLA). */
#ifndef LAB_NOISE_H
#define LAB_NOISE_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t state;
} lab_noise;

/* Different purposes of one seed get different streams. */
enum { LAB_NOISE_WEIGHTS, LAB_NOISE_INPUTS, LAB_NOISE_CALIBRATION, LAB_NOISE_MOMENTS };
void lab_noise_seed(lab_noise *noise, uint64_t seed, int purpose);
/* Uniform in (-bound, bound). */
void lab_noise_uniform(lab_noise *noise, double bound, float *out, size_t n);
/* Standard normal, independent. */
void lab_noise_normal(lab_noise *noise, float *out, size_t n);

#endif

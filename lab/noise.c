/* Seeded random numbers: see noise.h. */
#include "lab/noise.h"

#include <math.h>

static uint64_t next(lab_noise *noise) {
    uint64_t z = noise->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* In (0, 1): the middle of one of 2^53 equal parts. */
static double uniform(lab_noise *noise) {
    return ((double)(next(noise) >> 11) + 0.5) * 0x1p-53;
}

void lab_noise_seed(lab_noise *noise, uint64_t seed, int purpose) {
    noise->state = seed;
    noise->state = next(noise) + (uint64_t)purpose;
    noise->state = next(noise);
}

void lab_noise_uniform(lab_noise *noise, double bound, float *out, size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = (float)(bound * (2 * uniform(noise) - 1));
}

/* Box and Muller: two uniform numbers make two normal ones. */
void lab_noise_normal(lab_noise *noise, float *out, size_t n) {
    const double turn = 6.283185307179586;
    for (size_t i = 0; i < n; i += 2) {
        double radius = sqrt(-2 * log(uniform(noise))), angle = turn * uniform(noise);
        out[i] = (float)(radius * cos(angle));
        if (i + 1 < n)
            out[i + 1] = (float)(radius * sin(angle));
    }
}

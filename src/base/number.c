/* Half floats, and noise that is the same on every machine: only exactly rounded operations, no libm. */
#include "base/number.h"

#include <math.h>

float psti_from_f16(uint16_t v) {
    uint32_t sign = (uint32_t)(v & 0x8000) << 16;
    uint32_t exponent = v >> 10 & 31;
    uint32_t fraction = v & 0x3ff;
    if (exponent == 31) {
        return psti_float(sign | 0x7f800000 | fraction << 13);
    }
    if (exponent == 0) { /* denormal or zero: fraction * 2^-24, exact in fp32 */
        float magnitude = (float)fraction * 0x1p-24f;
        return sign ? -magnitude : magnitude;
    }
    return psti_float(sign | (exponent + 112) << 23 | fraction << 13);
}

/* splitmix64 (Steele, Lea, Flood 2014), as the authors of xoshiro advise for seeding. */
void psti_random_seed(psti_random *r, uint64_t seed) {
    for (int i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15;
        uint64_t z = seed;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        r->s[i] = z ^ z >> 31;
    }
}

static uint64_t rotate(uint64_t v, int by) {
    return v << by | v >> (64 - by);
}

/* xoshiro256** 1.0 (Blackman, Vigna 2018). */
uint64_t psti_random_next(psti_random *r) {
    uint64_t *s = r->s;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

double psti_random_uniform(psti_random *r) {
    return (double)(psti_random_next(r) >> 11) * 0x1p-53;
}

/* ln v for v in (0, 1]: v = m 2^e with m in [sqrt(1/2), sqrt(2)), ln m = 2 atanh((m - 1) / (m + 1)) as a series; the
 * first term left out is below 1e-17. The C library's log may differ in its last bit from machine to machine. */
static double natural_log(double v) {
    int e;
    double m = frexp(v, &e);
    if (m < 0.70710678118654752) {
        m *= 2;
        e--;
    }
    double s = (m - 1) / (m + 1);
    double square = s * s;
    double sum = 0;
    for (int k = 21; k >= 1; k -= 2) {
        sum = sum * square + 1.0 / k;
    }
    return 2 * s * sum + e * 0.69314718055994531;
}

/* cos(2 pi u) for u in [0, 1): a quarter turn and a rest r within +-pi/4, whose series end below 1e-17. */
static double cosine_of_turn(double u) {
    int quarter = (int)(4 * u + 0.5);
    double r = (4 * u - quarter) * 1.5707963267948966;
    double square = r * r;
    int odd = quarter & 1; /* sin instead of cos */
    double sum = 0;
    for (int k = 18; k >= 2; k -= 2) {
        sum = (sum + 1) * (-square / (odd ? k * (k + 1) : k * (k - 1)));
    }
    double value = odd ? -r * (1 + sum) : 1 + sum;
    return quarter == 2 || quarter == 3 ? -value : value;
}

double psti_random_normal(psti_random *r) {
    double radius = sqrt(-2 * natural_log(1 - psti_random_uniform(r)));
    return radius * cosine_of_turn(psti_random_uniform(r));
}

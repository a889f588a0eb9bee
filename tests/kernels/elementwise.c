/* Kernels over one vector of values against the scalar level, bit for bit. */
#include <math.h>
#include <string.h>

#include "harness.h"

static float *random_vector(uint32_t n, int exact) {
    float *v = exact ? guard_exact(n * sizeof *v) : guard_take(((size_t)n + 15) / 16 * 16 * sizeof *v);
    for (uint32_t i = 0; i < n; i++)
        v[i] = random_value();
    return v;
}

const char *check_adapt(const row *r, int flush) {
    (void)r;
    (void)flush;
    return NULL; /* has no answer of its own: every product of 8-bit weights is checked through it */
}

const char *check_scan(const row *r, int flush) {
    psti_scan_fn *kernel = (psti_scan_fn *)r->function, *scalar = (psti_scan_fn *)r->scalar;
    uint32_t n = 1 + random_below(200);
    float *v = random_vector(n, 1);
    if (random_below(4) == 0)
        v[random_below(n)] = random_below(2) ? NAN : -INFINITY;
    uint32_t largest = 0;
    for (uint32_t i = 0; i < n; i++)
        largest = (psti_bits(v[i]) & 0x7fffffff) > largest ? psti_bits(v[i]) & 0x7fffffff : largest;
    unsigned was = flush ? flush_on() : 0;
    uint32_t found = kernel(v, n);
    if (flush)
        flush_restore(was);
    return found != scalar(v, n) || found != largest ? "the largest magnitude differs" : NULL;
}

const char *check_encode(const row *r, int flush) {
    psti_encode_fn *kernel = (psti_encode_fn *)r->function, *scalar = (psti_encode_fn *)r->scalar;
    uint32_t n = 1 + random_below(200);
    size_t padded = ((size_t)n + 15) / 16 * 16;
    float *v = random_vector(n, 1);
    psti_sink side[2];
    float multiplier = ldexpf(127.0f, (int)random_below(80) - 60);
    for (int i = 0; i < 2; i++)
        side[i] = (psti_sink){.value = guard_take(4 * padded),
                              .f32 = guard_take(4 * padded),
                              .bf16 = guard_take(2 * padded),
                              .a16_high = guard_take(padded),
                              .a16_low = guard_take(padded),
                              .a8 = guard_take(padded),
                              .a16_multiplier = 256 * multiplier,
                              .a8_multiplier = multiplier};
    scalar(v, n, &side[0]);
    unsigned was = flush ? flush_on() : 0;
    kernel(v, n, &side[1]);
    if (flush)
        flush_restore(was);
    if (memcmp(side[0].value, side[1].value, 4 * padded) || memcmp(side[0].f32, side[1].f32, 4 * padded))
        return "an fp32 code differs";
    if (memcmp(side[0].bf16, side[1].bf16, 2 * padded))
        return "a bf16 code differs";
    if (memcmp(side[0].a16_high, side[1].a16_high, padded) || memcmp(side[0].a16_low, side[1].a16_low, padded) ||
        memcmp(side[0].a8, side[1].a8, padded))
        return "an integer code differs";
    for (uint32_t i = 0; i < n; i++) {
        double code = 256.0 * side[1].a16_high[i] + side[1].a16_low[i];
        double exact = fmin(fmax((double)v[i] * 256.0 * (double)multiplier, -32512), 32512);
        if (!(fabs(code - exact) <= 0.5 + 0.002))
            return "a 16-bit code is not the nearest";
    }
    return NULL;
}

const char *check_activation(const row *r, int flush) {
    psti_activation_fn *kernel = (psti_activation_fn *)r->function, *scalar = (psti_activation_fn *)r->scalar;
    static const char *const names[] = {
#define PSTI_FUNCTION(name) #name,
#include "kernels/functions.def"
#undef PSTI_FUNCTION
    };
    for (int f = 0; f < PSTI_FUNCTIONS; f++) {
        uint32_t n = 1 + random_below(100);
        float *a = random_vector(n, 0);
        for (uint32_t i = n; i < (n + 15) / 16 * 16; i++)
            a[i] = 0;
        float *b = guard_copy(a, ((size_t)n + 15) / 16 * 16 * sizeof *a);
        scalar(a, n, f, -0.5f, 0.75f);
        unsigned was = flush ? flush_on() : 0;
        kernel(b, n, f, -0.5f, 0.75f);
        if (flush)
            flush_restore(was);
        if (memcmp(a, b, n * sizeof *a))
            return names[f];
    }
    return NULL;
}

const char *check_softmax(const row *r, int flush) {
    psti_softmax_fn *kernel = (psti_softmax_fn *)r->function, *scalar = (psti_softmax_fn *)r->scalar;
    uint32_t n = 1 + random_below(100);
    float *a = random_vector(n, 0), *b = guard_copy(a, ((size_t)n + 15) / 16 * 16 * sizeof *a);
    scalar(a, n);
    unsigned was = flush ? flush_on() : 0;
    kernel(b, n);
    if (flush)
        flush_restore(was);
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += (double)b[i];
    if (!(fabs(sum - 1) < 1e-5))
        return "the sum is not 1";
    return memcmp(a, b, n * sizeof *a) ? "an output differs" : NULL;
}

const char *check_read(const row *r, int flush) {
    (void)flush;
    psti_read_fn *kernel = (psti_read_fn *)r->function, *scalar = (psti_read_fn *)r->scalar;
    size_t n = 64 * (1 + (size_t)random_below(100));
    uint64_t *words = guard_take(n);
    for (size_t i = 0; i < n / 8; i++)
        words[i] = psti_random_next(&harness_random);
    return kernel(words, n) != scalar(words, n) ? "the checksum differs" : NULL;
}

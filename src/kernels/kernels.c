/* The ladder: which function a level uses for each kernel. */
#include "kernels/kernels.h"

#include "cpu/levels.h"

psti_kernels psti_kernels_get(int level) {
    psti_kernels k = {.level = psti_level_names[level]};
#define PSTI_KERNEL(of, build, class, variant)                                                                         \
    if (PSTI_LEVEL_##of <= level && psti_build_runs_##build())                                                         \
        k.class##_##variant = psti_##build##_##class##_##variant;
#include "kernels/kernels.def"
#undef PSTI_KERNEL
    return k;
}

int psti_build_runs_scalar(void) {
    return 1;
}

#define PSTI_BUILD(name, runs)                                                                                         \
    int psti_build_runs_##name(void) {                                                                                 \
        return (runs) != 0;                                                                                            \
    }
#define HERE(level) (psti_levels_here() >> PSTI_LEVEL_##level & 1)
PSTI_BUILD(avx2, HERE(avx2))
PSTI_BUILD(avx2_vnni, HERE(avx2_vnni) && psti_cpu_features() & PSTI_CPU_AVX_VNNI)
PSTI_BUILD(avx2_vnni_evex, HERE(avx2_vnni) && psti_cpu_features() & PSTI_CPU_AVX512_VNNI_VL)
PSTI_BUILD(avx512, HERE(avx512))
PSTI_BUILD(avx512_vnni, HERE(avx512_vnni))
PSTI_BUILD(avx512_bf16, HERE(avx512_bf16))

/* The kernels of an encoding. */
typedef struct {
    psti_lstm_fn *lstm;
    psti_linear_fn *linear;
    psti_ahead_fn *ahead;
    psti_settle_fn *settle;
} kernels_of_encoding;

#define PSTI_ENCODING(NAME, name, bits, operand, largest, odd, grouped)                                                \
    {k->lstm_##name, k->linear_##name, k->ahead_##name, k->settle_##name},
static kernels_of_encoding of(const psti_kernels *k, int encoding) {
    const kernels_of_encoding by[PSTI_ENCODINGS] = {
#include "format/encodings.def"
    };
    return by[encoding];
}
#undef PSTI_ENCODING

psti_lstm_fn *psti_kernels_lstm(const psti_kernels *k, int encoding) {
    return of(k, encoding).lstm;
}

psti_linear_fn *psti_kernels_linear(const psti_kernels *k, int encoding) {
    return of(k, encoding).linear;
}

psti_ahead_fn *psti_kernels_ahead(const psti_kernels *k, int encoding) {
    return of(k, encoding).ahead;
}

psti_settle_fn *psti_kernels_settle(const psti_kernels *k, int encoding) {
    return of(k, encoding).settle;
}

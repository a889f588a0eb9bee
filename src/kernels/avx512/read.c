/* A bare read at level avx512: the yardstick of every product. */
#include <immintrin.h>

#include "kernels/kernels.h"
#include "kernels/target.h"

PSTI_TARGET("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")

uint64_t psti_avx512_read_f32(const void *bytes, size_t n) {
    __m512i sum[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
    const char *p = bytes;
    size_t i = 0;
    for (; i + 256 <= n; i += 256)
        for (int k = 0; k < 4; k++)
            sum[k] = _mm512_xor_si512(sum[k], _mm512_load_si512(p + i + 64 * k));
    for (; i < n; i += 64)
        sum[0] = _mm512_xor_si512(sum[0], _mm512_load_si512(p + i));
    uint64_t lanes[8], total = 0;
    _mm512_storeu_si512(lanes, _mm512_xor_si512(_mm512_xor_si512(sum[0], sum[1]), _mm512_xor_si512(sum[2], sum[3])));
    for (int k = 0; k < 8; k++)
        total ^= lanes[k];
    return total;
}

PSTI_TARGET_END

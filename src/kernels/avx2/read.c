/* A bare read at level avx2: the yardstick of every product. */
#include <immintrin.h>

#include "kernels/kernels.h"
#include "kernels/target.h"

PSTI_TARGET("avx2,fma")

uint64_t psti_avx2_read_f32(const void *bytes, size_t n) {
    __m256i sum[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256()};
    const char *p = bytes;
    size_t i = 0;
    for (; i + 128 <= n; i += 128)
        for (int k = 0; k < 4; k++)
            sum[k] = _mm256_xor_si256(sum[k], _mm256_load_si256((const __m256i *)(p + i + 32 * k)));
    for (; i < n; i += 32)
        sum[0] = _mm256_xor_si256(sum[0], _mm256_load_si256((const __m256i *)(p + i)));
    uint64_t lanes[4];
    _mm256_storeu_si256((__m256i *)lanes,
                        _mm256_xor_si256(_mm256_xor_si256(sum[0], sum[1]), _mm256_xor_si256(sum[2], sum[3])));
    return lanes[0] ^ lanes[1] ^ lanes[2] ^ lanes[3];
}

PSTI_TARGET_END

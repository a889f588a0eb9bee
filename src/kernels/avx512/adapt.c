/* 8-bit tiles as level avx512 reads them. */
#include <immintrin.h>

#include "kernels/kernels.h"
#include "kernels/target.h"

PSTI_TARGET("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")

#include "kernels/avx512/vector.h"

void psti_avx512_adapt_w8(unsigned char *tiles, size_t bytes) {
    /* 16 lanes x 4 inputs -> the first two inputs of all lanes, then the other two: VPMADDWD takes pairs */
    for (size_t at = 0; at < bytes; at += 64) {
        unsigned char from[64];
        memcpy(from, tiles + at, sizeof from);
        for (int lane = 0; lane < PSTI_LANES; lane++) {
            memcpy(tiles + at + 2 * lane, from + 4 * lane, 2);
            memcpy(tiles + at + 32 + 2 * lane, from + 4 * lane + 2, 2);
        }
    }
}

PSTI_TARGET_END

/* 8-bit tiles as level avx2_vnni reads them. */
#include <immintrin.h>

#include "kernels/kernels.h"
#include "kernels/target.h"

PSTI_TARGET("avx2,fma,avxvnni")

#include "kernels/avx2/vector.h"

void psti_avx2_vnni_adapt_w8(unsigned char *tiles, size_t bytes) {
    /* weights + 128: VPDPBUSD's first factor is unsigned. Padding becomes 128, its digits are 0 */
    for (size_t i = 0; i < bytes; i++)
        tiles[i] ^= 0x80;
}

PSTI_TARGET_END

/* Level avx2 reads 8-bit tiles as they are in the file. */
#include "kernels/kernels.h"

void psti_avx2_adapt_w8(unsigned char *tiles, size_t bytes) {
    (void)tiles;
    (void)bytes;
}

/* The scalar level reads tiles as they are in the file. */
#include "kernels/kernels.h"

void psti_scalar_adapt_w8(unsigned char *tiles, size_t bytes) {
    (void)tiles;
    (void)bytes;
}

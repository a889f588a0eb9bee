/* A bare read in plain C. */
#include <string.h>

#include "kernels/kernels.h"

uint64_t psti_scalar_read_f32(const void *bytes, size_t n) {
    const char *p = bytes;
    uint64_t sum = 0, word;
    for (size_t i = 0; i < n; i += sizeof word) {
        memcpy(&word, p + i, sizeof word);
        sum ^= word;
    }
    return sum;
}

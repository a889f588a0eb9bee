/* XXH3 from libxxhash: 64 bits, seed 0. */
#include "base/hash.h"

#include <xxhash.h>

uint64_t psti_hash(const void *bytes, size_t n) {
    return XXH3_64bits(bytes, n);
}

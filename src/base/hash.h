/* The one hash of files and states: XXH3, 64 bits. It finds damage, not malice. */
#ifndef PSTI_BASE_HASH_H
#define PSTI_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t psti_hash(const void *bytes, size_t n);

#endif

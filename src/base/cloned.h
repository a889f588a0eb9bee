/* PSTI_CLONED: a static function of plain loops that is compiled once for each width of vectors, and chosen while
 * loading. */
#ifndef PSTI_BASE_CLONED_H
#define PSTI_BASE_CLONED_H

#include <stdlib.h> /* defines __GLIBC__ */

/* gcc and clang turn such loops into vector code by themselves; with AVX they run about twice as fast as with the
 * baseline's SSE2, so where a clone of the function can be chosen while loading (ifunc: gcc, glibc, x86-64) it is
 * compiled for each. Not with clang, whose clones no other file can call (14 gives them another name), and not under
 * sanitizers, which would instrument the chooser although it runs before they are ready. Every clone gives the same
 * bits as long as the order of each sum is written out: nothing is contracted. The function has to be static, as its
 * chooser is exported otherwise, whatever the visibility asked for; what it calls has to be always_inline, or is not
 * cloned along. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) &&                           \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define PSTI_CLONED __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define PSTI_CLONED
#endif

#endif

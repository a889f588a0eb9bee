/* PSTI_TARGET("avx2,fma") ... PSTI_TARGET_END: the functions between are compiled for those instructions. gcc and clang
 * spell it differently; system headers must be included before. */
#ifndef PSTI_KERNELS_TARGET_H
#define PSTI_KERNELS_TARGET_H

#define PSTI_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define PSTI_TARGET(features) PSTI_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define PSTI_TARGET_END _Pragma("clang attribute pop")
#else
#define PSTI_TARGET(features) _Pragma("GCC push_options") PSTI_PRAGMA(GCC target(features))
#define PSTI_TARGET_END _Pragma("GCC pop_options")
#endif

#endif

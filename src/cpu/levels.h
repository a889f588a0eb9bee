/* Instruction set levels: which this build has, which this machine has. */
#ifndef PSTI_CPU_LEVELS_H
#define PSTI_CPU_LEVELS_H

#include "penstock.h"

/* Ascending on x86-64; each includes the ones before it. neon is aarch64's. Names are in cpu/levels.def. */
#define PSTI_LEVEL(name, text) PSTI_LEVEL_##name,
enum {
#include "cpu/levels.def"
    PSTI_LEVELS
};
#undef PSTI_LEVEL

extern const char *const psti_level_names[PSTI_LEVELS];

/* Bit i is set if level i is in this build and this machine's processor and operating system can run it. Scalar always.
 */
uint32_t psti_levels_here(void);
/* The level to use: the best one here, not above the one named (NULL: no cap). *level is set. A name that is unknown is
 * PST_E_ARGUMENT, one that the machine or build lacks PST_E_HOST. */
pst_status psti_level_choose(const char *name, int *level);

/* Which encodings of VPDPBUSD on 256 bits this machine runs: the level avx2_vnni has one or both. 0 elsewhere. */
enum { PSTI_CPU_AVX_VNNI = 1, PSTI_CPU_AVX512_VNNI_VL = 2 };
uint32_t psti_cpu_features(void);

#endif

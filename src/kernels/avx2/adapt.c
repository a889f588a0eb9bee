/* 8-bit tiles as level avx2 reads them. */
#include <immintrin.h>

#include "kernels/kernels.h"
#include "kernels/target.h"

PSTI_TARGET("avx2,fma")

#include "kernels/avx2/vector.h"

#define ADAPT psti_avx2_adapt_w8
#include "kernels/template/adapt_pairs.h"

PSTI_TARGET_END

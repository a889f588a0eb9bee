/* 8-bit tiles as level avx2_vnni reads them. */
#include <immintrin.h>

#include "kernels/kernels.h"
#include "kernels/target.h"

PSTI_TARGET("avx2,fma,avxvnni")

#include "kernels/avx2/vector.h"

#define ADAPT psti_avx2_vnni_adapt_w8
#include "kernels/template/adapt_offset.h"

PSTI_TARGET_END

/* 8-bit tiles as level avx512_vnni reads them. */
#include <immintrin.h>

#include "kernels/kernels.h"
#include "kernels/target.h"

PSTI_TARGET("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,avx512vnni")

#include "kernels/avx512/vector.h"

#define ADAPT psti_avx512_vnni_adapt_w8
#include "kernels/template/adapt_offset.h"

PSTI_TARGET_END

/* w8a8 at level avx2_vnni (EVEX). */
#include <immintrin.h>

#include "kernels/kernels.h"
#include "kernels/target.h"

PSTI_TARGET("avx2,fma,avx512f,avx512vl,avx512vnni")

#include "kernels/avx2/vector.h"
#include "kernels/template/math.h"

#define BUILD avx2_vnni_evex
#define ENCODING w8a8
#define ENCODING_NUMBER PSTI_W8A8
#define DIGITS 1

#include "kernels/avx2_vnni_evex/quad.h"

#include "kernels/template/w8.h"

PSTI_TARGET_END

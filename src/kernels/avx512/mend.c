/* The rest of an input, at level avx512. */
#include <immintrin.h>

#include "kernels/kernels.h"
#include "kernels/target.h"

PSTI_TARGET("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")

#include "kernels/avx512/vector.h"
#include "kernels/template/math.h"

#define MEND psti_avx512_mend_f32
#include "kernels/template/mend.h"

PSTI_TARGET_END

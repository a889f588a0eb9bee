/* scan, encode, activation and softmax at level avx512. */
#include <immintrin.h>

#include "kernels/kernels.h"
#include "kernels/target.h"

PSTI_TARGET("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")

#include "kernels/avx512/vector.h"
#include "kernels/template/math.h"

#define BUILD avx512

#include "kernels/template/elementwise.h"

PSTI_TARGET_END

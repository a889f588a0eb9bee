/* w2a8 at level avx512. */
#include <immintrin.h>

#include "format/few.h"
#include "kernels/kernels.h"
#include "kernels/target.h"

PSTI_TARGET("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")

#include "kernels/avx512/vector.h"
#include "kernels/template/math.h"

#define BUILD avx512
#define ENCODING w2a8
#define ENCODING_NUMBER PSTI_W2A8
#define BITS 2
#define DIGITS 1

#include "kernels/avx512/few.h"

#include "kernels/template/few.h"

PSTI_TARGET_END

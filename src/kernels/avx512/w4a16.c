/* w4a16 at level avx512. */
#include <immintrin.h>

#include "format/few.h"
#include "kernels/kernels.h"
#include "kernels/target.h"

PSTI_TARGET("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")

#include "kernels/avx512/vector.h"
#include "kernels/template/math.h"

#define BUILD avx512
#define ENCODING w4a16
#define ENCODING_NUMBER PSTI_W4A16
#define BITS 4
#define DIGITS 2

#include "kernels/avx512/few.h"

#include "kernels/template/few.h"

PSTI_TARGET_END

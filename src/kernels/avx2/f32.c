/* f32 at level avx2. */
#include <immintrin.h>

#include "kernels/kernels.h"
#include "kernels/target.h"

PSTI_TARGET("avx2,fma")

#include "kernels/avx2/vector.h"
#include "kernels/template/math.h"

#define BUILD avx2

#include "kernels/template/f32.h"

PSTI_TARGET_END

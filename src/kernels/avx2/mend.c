/* The rest of an input, at level avx2. */
#include <immintrin.h>

#include "kernels/kernels.h"
#include "kernels/target.h"

PSTI_TARGET("avx2,fma")

#include "kernels/avx2/vector.h"
#include "kernels/template/math.h"

#define MEND psti_avx2_mend_f32
#include "kernels/template/mend.h"

PSTI_TARGET_END

/* w4a16 at level avx2. */
#include <immintrin.h>

#include "format/few.h"
#include "kernels/kernels.h"
#include "kernels/target.h"

PSTI_TARGET("avx2,fma")

#include "kernels/avx2/vector.h"
#include "kernels/template/math.h"

#define BUILD avx2
#define ENCODING w4a16
#define ENCODING_NUMBER PSTI_W4A16
#define BITS 4
#define DIGITS 2

#include "kernels/avx2/few.h"

#include "kernels/template/few.h"

PSTI_TARGET_END

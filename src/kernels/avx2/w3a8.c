/* w3a8 at level avx2. */
#include <immintrin.h>

#include "format/few.h"
#include "kernels/kernels.h"
#include "kernels/target.h"

PSTI_TARGET("avx2,fma")

#include "kernels/avx2/vector.h"
#include "kernels/template/math.h"

#define BUILD avx2
#define ENCODING w3a8
#define ENCODING_NUMBER PSTI_W3A8
#define BITS 3
#define DIGITS 1

#include "kernels/avx2/few.h"

#include "kernels/template/few.h"

PSTI_TARGET_END

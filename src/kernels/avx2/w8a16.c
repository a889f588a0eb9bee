/* w8a16 at level avx2. */
#include <immintrin.h>

#include "kernels/kernels.h"
#include "kernels/target.h"

PSTI_TARGET("avx2,fma")

#include "kernels/avx2/vector.h"
#include "kernels/template/math.h"

#define BUILD avx2
#define ENCODING w8a16
#define ENCODING_NUMBER PSTI_W8A16

#include "kernels/avx2/words.h"

PSTI_TARGET_END

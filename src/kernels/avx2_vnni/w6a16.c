/* w6a16 at level avx2_vnni. */
#include <immintrin.h>

#include "format/few.h"
#include "kernels/kernels.h"
#include "kernels/target.h"

PSTI_TARGET("avx2,fma,avxvnni")

#include "kernels/avx2/vector.h"
#include "kernels/template/math.h"

#define BUILD avx2_vnni
#define ENCODING w6a16
#define ENCODING_NUMBER PSTI_W6A16
#define BITS 6
#define DIGITS 2

#include "kernels/avx2_vnni/few.h"

#include "kernels/template/few.h"

PSTI_TARGET_END

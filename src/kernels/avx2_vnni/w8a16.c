/* w8a16 at level avx2_vnni. */
#include <immintrin.h>

#include "kernels/kernels.h"
#include "kernels/target.h"

PSTI_TARGET("avx2,fma,avxvnni")

#include "kernels/avx2/vector.h"
#include "kernels/template/math.h"

#define BUILD avx2_vnni
#define ENCODING w8a16
#define ENCODING_NUMBER PSTI_W8A16
#define DIGITS 2

#include "kernels/avx2_vnni/quad.h"

#include "kernels/template/w8.h"

PSTI_TARGET_END

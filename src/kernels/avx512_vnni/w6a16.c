/* w6a16 at level avx512_vnni. */
#include <immintrin.h>

#include "format/few.h"
#include "kernels/kernels.h"
#include "kernels/target.h"

PSTI_TARGET("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,avx512vnni")

#include "kernels/avx512/vector.h"
#include "kernels/template/math.h"

#define BUILD avx512_vnni
#define ENCODING w6a16
#define ENCODING_NUMBER PSTI_W6A16
#define BITS 6
#define DIGITS 2

#include "kernels/avx512_vnni/few.h"

#include "kernels/template/few.h"

PSTI_TARGET_END

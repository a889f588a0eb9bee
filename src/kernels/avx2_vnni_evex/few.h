/* As level avx2_vnni, in the EVEX encoding (AVX-512 VNNI with VL). */
#define DPBUSD _mm256_dpbusd_epi32
#define DPWSSD _mm256_dpwssd_epi32

#include "kernels/avx2_vnni/few.h"

/* The rest of an input, at level scalar. */
#include "kernels/scalar/vector.h"
#include "kernels/template/math.h"

#define MEND psti_scalar_mend_f32
#include "kernels/template/mend.h"

/* scan, encode, activation and softmax at the scalar level. */
#include "kernels/scalar/vector.h"
#include "kernels/template/math.h"

#define BUILD scalar

#include "kernels/template/elementwise.h"

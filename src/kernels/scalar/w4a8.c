/* w4a8 in plain C: the bits that every level must give. */
#include "kernels/scalar/vector.h"
#include "kernels/template/math.h"

#define BUILD scalar
#define ENCODING w4a8
#define ENCODING_NUMBER PSTI_W4A8

#define BITS 4
#define DIGITS 1

#include "kernels/scalar/few.h"
#include "kernels/scalar/whole.h"

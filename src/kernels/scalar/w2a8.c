/* w2a8 in plain C: the bits that every level must give. */
#include "kernels/scalar/vector.h"
#include "kernels/template/math.h"

#define BUILD scalar
#define ENCODING w2a8
#define ENCODING_NUMBER PSTI_W2A8

#define BITS 2
#define DIGITS 1

#include "kernels/scalar/few.h"
#include "kernels/scalar/whole.h"

/* w4a16 in plain C: the bits that every level must give. */
#include "kernels/scalar/vector.h"
#include "kernels/template/math.h"

#define BUILD scalar
#define ENCODING w4a16
#define ENCODING_NUMBER PSTI_W4A16

#define BITS 4
#define DIGITS 2

#include "kernels/scalar/few.h"
#include "kernels/scalar/whole.h"

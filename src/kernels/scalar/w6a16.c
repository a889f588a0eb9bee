/* w6a16 in plain C: the bits that every level must give. */
#include "kernels/scalar/vector.h"
#include "kernels/template/math.h"

#define BUILD scalar
#define ENCODING w6a16
#define ENCODING_NUMBER PSTI_W6A16

#define BITS 6
#define DIGITS 2

#include "kernels/scalar/few.h"
#include "kernels/scalar/whole.h"

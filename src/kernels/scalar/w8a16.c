/* w8a16 in plain C: the bits that every level must give. */
#include "kernels/scalar/vector.h"
#include "kernels/template/math.h"

#define BUILD scalar
#define ENCODING w8a16
#define ENCODING_NUMBER PSTI_W8A16

#define DIGITS 2

#include "kernels/scalar/digits.h"
#include "kernels/scalar/whole.h"

/* w8a8 in plain C: the bits that every level must give. */
#include "kernels/scalar/vector.h"
#include "kernels/template/math.h"

#define BUILD scalar
#define ENCODING w8a8
#define ENCODING_NUMBER PSTI_W8A8

#define DIGITS 1

#include "kernels/scalar/digits.h"
#include "kernels/scalar/whole.h"

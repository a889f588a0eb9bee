/* NumPy's .npy files: versions 1 to 3, float32 and float64 of either byte order, C or Fortran order. */
#ifndef PENSTOCK_CLI_NPY_H
#define PENSTOCK_CLI_NPY_H

#include "array.h"

/* Reads all of a stream that begins with an .npy header, as array.h says; data must end where the shape says. */
bool cli_npy_read(FILE *stream, const char *name, bool doubles, cli_array *out);
/* Writes a version 1 file of little-endian float32. Errors stay in the stream. */
void cli_npy_write(FILE *stream, int rank, uint64_t sequences, uint64_t steps, uint64_t columns, const float *values);

#endif

/* The reference's one product: a row-major fp32 matrix times a float64 vector. */
#include "reference/reference.h"

#include <stdlib.h> /* defines __GLIBC__ */

/* Nearly all of the reference's time is spent here, and a certificate runs it over billions of weights. The loop below
 * is plain C that gcc and clang turn into vector code by themselves; with AVX it runs about twice as fast as with the
 * baseline's SSE2, so where a clone of the function can be chosen while loading (ifunc: gcc, glibc, x86-64) it is
 * compiled for each. Not with clang, whose clones no other file can call (14 gives them another name), and not under
 * sanitizers, which would instrument the chooser although it runs before they are ready. Every clone gives the same
 * bits, because the order of the sum is written out and nothing is contracted. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) &&                           \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define PSTI_CLONED __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define PSTI_CLONED
#endif

/* Partial sums of a row. A single running sum would have to be added in order, one addition's latency a weight; sums
 * that never meet before the row's end fill two of the widest vectors and may be done side by side. */
#define SUMS 16

PSTI_CLONED static void product(const float *w, size_t rows, size_t columns, const double *v, const float *b,
                                double *out) {
    for (size_t row = 0; row < rows; row++, w += columns) {
        double sum[SUMS] = {0};
        size_t i = 0;
        for (; i + SUMS <= columns; i += SUMS)
            for (size_t k = 0; k < SUMS; k++)
                sum[k] += (double)w[i + k] * v[i + k];
        for (; i < columns; i++)
            sum[i % SUMS] += (double)w[i] * v[i];
        double total = 0;
        for (size_t k = 0; k < SUMS; k++)
            total += sum[k];
        out[row] = total + (b ? (double)b[row] : 0.0);
    }
}

/* Apart, because a cloned function's chooser is exported whatever the visibility asked for, unless it is static. */
void psti_reference_product(const float *w, size_t rows, size_t columns, const double *v, const float *b, double *out) {
    product(w, rows, columns, v, b, out);
}

/* The reference's one product: a row-major fp32 matrix times a float64 vector. */
#include "base/cloned.h"
#include "reference/reference.h"

/* Partial sums of a row. A single running sum would have to be added in order, one addition's latency a weight; sums
 * that never meet before the row's end fill two of the widest vectors and may be done side by side. */
#define SUMS 16

/* Nearly all of the reference's time is spent here, and a certificate runs it over billions of weights. */
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

void psti_reference_product(const float *w, size_t rows, size_t columns, const double *v, const float *b, double *out) {
    product(w, rows, columns, v, b, out);
}

/* What is known of a program's errors: certificates, and those of each matrix. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/status.h"
#include "program/program.h"

pst_status pst_program_certificate(const pst_program *p, pst_certificate *out) {
    return pst_program_get_certificate(p, 0, out);
}

pst_status pst_program_get_certificate(const pst_program *p, uint32_t index, pst_certificate *out) {
    if (!p)
        return psti_fail_null("p");
    pst_status status = psti_check_info(out, sizeof(size_t), "pst_certificate");
    if (status)
        return status;
    if (!p->certified)
        return psti_fail(PST_E_EMPTY, (psti_where){.item = "certificate"},
                         "the program was compiled without a certificate");
    if (index > p->more_count)
        return psti_fail(PST_E_EMPTY, (psti_where){.item = "certificate", .expected = p->more_count, .found = index},
                         "certificate %" PRIu32 ": the program has certificates 0 to %" PRIu32, index, p->more_count);
    const pst_certificate *own = index ? &p->more[index - 1] : &p->certificate;
    psti_give_info(out, own, sizeof *own);
    return PST_OK;
}

pst_status pst_program_get_frontier(const pst_program *p, uint32_t index, pst_frontier *out) {
    if (!p)
        return psti_fail_null("p");
    pst_status status = psti_check_info(out, sizeof(size_t), "pst_frontier");
    if (status)
        return status;
    if (index >= p->frontier_count)
        return psti_fail(PST_E_EMPTY, (psti_where){.item = "frontier", .expected = p->frontier_count, .found = index},
                         "the search that made this program has tried %" PRIu32 " formats", p->frontier_count);
    psti_give_info(out, &p->frontier[index], sizeof p->frontier[index]);
    return PST_OK;
}

/* The number of the index-th matrix that a layer has; PSTI_MATRICES beyond the last. */
static uint32_t matrix_of(const psti_program_layer *layer, uint32_t index) {
    uint32_t m = 0;
    while (m < PSTI_MATRICES && (!psti_program_has(layer, m) || index--))
        m++;
    return m;
}

uint32_t psti_program_matrices(const psti_program_layer *layer) {
    uint32_t n = 0;
    while (matrix_of(layer, n) < PSTI_MATRICES)
        n++;
    return n;
}

/* The sum of the squared errors that are known; NaN if none is. */
static double all_errors(const pst_program *p) {
    double sum = 0;
    int known = 0;
    for (uint32_t i = 0; i < p->count; i++)
        for (uint32_t m = 0; m < PSTI_MATRICES; m++)
            if (p->layers[i].error[m] >= 0) {
                sum += p->layers[i].error[m] * p->layers[i].error[m];
                known = 1;
            }
    return known ? sum : (double)NAN;
}

pst_status pst_program_get_matrix(const pst_program *p, uint32_t layer, uint32_t index, pst_matrix_info *out) {
    if (!p)
        return psti_fail_null("p");
    pst_status status = psti_check_info(out, sizeof(size_t), "pst_matrix_info");
    if (status)
        return status;
    if (layer >= p->count)
        return psti_fail(PST_E_ARGUMENT,
                         (psti_where){.item = "layer", .expected = (int64_t)p->count - 1, .found = layer},
                         "layer is %" PRIu32 ", but the program has layers 0 to %" PRIu32, layer, p->count - 1);
    const psti_program_layer *of = &p->layers[layer];
    uint32_t m = matrix_of(of, index);
    if (m == PSTI_MATRICES)
        return psti_fail(PST_E_ARGUMENT, (psti_where){.item = "index", .found = index},
                         "layer %" PRIu32 " has %" PRIu32 " matrices, found index %" PRIu32, layer,
                         psti_program_matrices(of), index);
    const psti_matrix *matrix = &of->matrix[m];
    size_t tiles = psti_tiles_bytes(&matrix->shape, matrix->encoding);
    size_t lanes = (size_t)PSTI_LANES * psti_shape_vectors(&matrix->shape);
    int grouped = psti_encodings[matrix->encoding].grouped;
    double error = of->error[m], all = all_errors(p), rounded = of->rounded[m], nearest = of->nearest[m];
    pst_matrix_info own = {.name = psti_matrix_names[m],
                           .encoding = psti_encodings[matrix->encoding].name,
                           .bytes = tiles + (matrix->scale ? lanes * sizeof(float) : 0),
                           .padding_bytes = tiles - psti_used_bytes(&matrix->shape, matrix->encoding),
                           .group = grouped ? psti_shape_group(&matrix->shape, matrix->encoding) : 0,
                           .error = error >= 0 ? error : (double)NAN,
                           .product_error = rounded >= 0 ? sqrt(rounded) : (double)NAN,
                           .product_error_nearest = nearest >= 0 ? sqrt(nearest) : (double)NAN,
                           .error_share = error >= 0 && all > 0 ? error * error / all : (double)NAN};
    psti_give_info(out, &own, sizeof own);
    return PST_OK;
}

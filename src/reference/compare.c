/* The distance between an answer and the float64 answer: what every certificate, bench and verify quotes. */
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rounding.h"
#include "base/status.h"

/* Both arrays are [vectors][outputs]; vectors = sequences * steps. */
typedef struct {
    const float *y;
    const double *expect;
    size_t vectors, outputs;
    uint64_t steps;
} arrays;

/* Finds the largest error, the first of equals, and the largest |expect|; refuses what is not finite. */
static pst_status find_largest(const arrays *a, pst_certificate *c, double *largest_expect) {
    c->max_abs = *largest_expect = 0;
    c->worst_sequence = c->worst_step = c->worst_output = 0;
    for (size_t v = 0; v < a->vectors; v++)
        for (size_t o = 0; o < a->outputs; o++) {
            double y = (double)a->y[v * a->outputs + o], expect = a->expect[v * a->outputs + o];
            if (!isfinite(y) || !isfinite(expect))
                return psti_fail(
                    PST_E_NONFINITE, (psti_where){.item = isfinite(y) ? "expect" : "y", .found = (int64_t)o},
                    "%s: output %zu at step %" PRIu64 " of sequence %" PRIu64 " is %g, not a finite number",
                    isfinite(y) ? "expect" : "y", o, v % a->steps, v / a->steps, isfinite(y) ? expect : y);
            double error = fabs(y - expect);
            if (error > c->max_abs) {
                c->max_abs = error;
                c->worst_sequence = v / a->steps;
                c->worst_step = v % a->steps;
                c->worst_output = (uint32_t)o;
            }
            *largest_expect = fabs(expect) > *largest_expect ? fabs(expect) : *largest_expect;
        }
    return PST_OK;
}

/* A power of two that brings `largest` near 1, so that no square of a number up to `largest` overflows, nor vanishes
 * beside it. Multiplying by it rounds nothing. */
static double unit(double largest) {
    int exponent = 0;
    frexp(largest, &exponent);
    return ldexp(1.0, exponent < -1000 ? 1000 : exponent > 1000 ? -1000 : -exponent);
}

static double rms_error(const arrays *a, double max_abs) {
    double scale = unit(max_abs), sum = 0;
    size_t n = a->vectors * a->outputs;
    for (size_t k = 0; k < n; k++) {
        double error = ((double)a->y[k] - a->expect[k]) * scale;
        sum += error * error;
    }
    return sqrt(sum / (double)n) / scale;
}

/* rms of (expect - mean), mean [outputs] being each output's own. Everything is counted from each output's first value:
 * an output that never moves gives exactly 0, and a small movement of a large value is not lost in its mean. */
static double rms_movement(const arrays *a, double largest_expect, double *mean) {
    double scale = unit(largest_expect), sum = 0;
    for (size_t v = 0; v < a->vectors; v++)
        for (size_t o = 0; o < a->outputs; o++)
            mean[o] += a->expect[v * a->outputs + o] * scale - a->expect[o] * scale;
    for (size_t o = 0; o < a->outputs; o++)
        mean[o] /= (double)a->vectors;
    for (size_t v = 0; v < a->vectors; v++)
        for (size_t o = 0; o < a->outputs; o++) {
            double moved = a->expect[v * a->outputs + o] * scale - a->expect[o] * scale - mean[o];
            sum += moved * moved;
        }
    return sqrt(sum / ((double)a->vectors * (double)a->outputs)) / scale;
}

pst_status pst_compare(const float *y, const double *expect, uint64_t sequences, uint64_t steps, uint32_t outputs,
                       pst_certificate *out) {
    if (!y)
        return psti_fail_null("y");
    if (!expect)
        return psti_fail_null("expect");
    pst_status status =
        psti_check_info(out, offsetof(pst_certificate, relative_rms) + sizeof(double), "pst_certificate");
    if (status)
        return status;
    if (!sequences || !steps || !outputs)
        return psti_fail(PST_E_ARGUMENT,
                         (psti_where){.item = !sequences ? "sequences"
                                              : !steps   ? "steps"
                                                         : "outputs"},
                         "nothing to compare: %" PRIu64 " sequences, %" PRIu64 " steps, %" PRIu32 " outputs", sequences,
                         steps, outputs);
    arrays a = {.y = y, .expect = expect, .outputs = outputs, .steps = steps};
    size_t bytes;
    if (!psti_multiply((size_t)sequences, (size_t)steps, &a.vectors) ||
        !psti_multiply(a.vectors, outputs * sizeof(double), &bytes))
        return psti_fail(PST_E_ARGUMENT, (psti_where){.item = "steps"},
                         "%" PRIu64 " sequences of %" PRIu64 " steps are more than memory can hold", sequences, steps);

    pst_certificate c = {0};
    memcpy(&c, out, out->size < sizeof c ? out->size : sizeof c); /* seed and from_caller are the caller's */
    unsigned rounding = psti_rounding_enter();
    double largest_expect;
    status = find_largest(&a, &c, &largest_expect);
    double *mean = status ? NULL : psti_allocate(outputs, sizeof *mean);
    if (!status && !mean)
        status = PST_E_MEMORY;
    if (!status) {
        c.sequences = sequences;
        c.steps = steps;
        c.rms = rms_error(&a, c.max_abs);
        double movement = rms_movement(&a, largest_expect, mean);
        c.relative_rms = movement > 0 ? c.rms / movement : (double)NAN;
        psti_give_info(out, &c, sizeof c);
    }
    free(mean);
    psti_rounding_leave(rounding);
    return status;
}

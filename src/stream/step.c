/* A step, and what goes with it: settle, warm, run. Nothing here allocates, locks or calls the system. */
#include <math.h>

#include "base/number.h"
#include "base/rounding.h"
#include "base/status.h"
#include "stream/stream.h"

#define LARGEST_X 0x1p60f

static pst_status bad_width(const char *name, size_t expected, size_t found) {
    return psti_fail(PST_E_SHAPE, (psti_where){.item = name, .expected = (int64_t)expected, .found = (int64_t)found},
                     "%s: expected %zu values, found %zu", name, expected, found);
}

static pst_status bad_x(const float *x, size_t n) {
    size_t i = 0;
    while (i < n && fabsf(x[i]) <= LARGEST_X)
        i++;
    return psti_fail(PST_E_NONFINITE, (psti_where){.item = "x", .found = (int64_t)i},
                     "x[%zu]: expected a finite value of at most 2^60 in magnitude, found %g", i, (double)x[i]);
}

/* One step of a checked stream; finishes the settle owing first. */
static pst_status step(pst_stream *s, const float *x, float *y) {
    pst_engine *e = s->engine;
    uint32_t largest = e->kernels.scan_f32(x, e->inputs);
    if (__builtin_expect(largest > psti_bits(LARGEST_X), 0))
        return bad_x(x, e->inputs);
    return psti_step(e, s->number, s->part, x, largest, y);
}

/* At most `units` units of the caller's share; what is left. */
static uint32_t settle(pst_stream *s, uint32_t units) {
    uint32_t rest = 0;
    if (s->part->owing) {
        rest = psti_settle_some(s->engine->caller, s->part, units);
        s->part->owing = rest != 0;
    }
    if (!rest) /* and off the path, whether the others have copied: the next step need not look */
        (void)psti_look_copied(s->engine, s->engine->tag);
    return rest;
}

pst_status pst_step(pst_stream *s, const float *x, size_t nx, float *y, size_t ny) {
    pst_status status = psti_stream_check(s);
    if (status)
        return status;
    if (__builtin_expect(!x || !y, 0))
        return psti_fail_null(x ? "y" : "x");
    if (__builtin_expect(nx != s->engine->inputs, 0))
        return bad_width("x", s->engine->inputs, nx);
    if (__builtin_expect(ny != s->engine->outputs, 0))
        return bad_width("y", s->engine->outputs, ny);
    unsigned rounding = psti_rounding_enter();
    status = step(s, x, y);
    psti_rounding_leave(rounding);
    return status;
}

pst_status pst_settle(pst_stream *s, uint32_t units, uint32_t *left) {
    pst_status status = psti_stream_check(s);
    if (status)
        return status;
    unsigned rounding = psti_rounding_enter();
    uint32_t rest = settle(s, units ? units : UINT32_MAX);
    psti_rounding_leave(rounding);
    if (left)
        *left = rest;
    return PST_OK;
}

pst_status pst_warm(pst_stream *s) {
    pst_status status = psti_stream_check(s);
    if (status)
        return status;
    unsigned rounding = psti_rounding_enter();
    status = psti_practise(s->engine, s->part);
    psti_rounding_leave(rounding);
    return status;
}

pst_status pst_run(pst_stream *s, const float *x, size_t steps, float *y) {
    pst_status status = psti_stream_check(s);
    if (status)
        return status;
    if (steps && (!x || !y))
        return psti_fail_null(x ? "y" : "x");
    const pst_engine *e = s->engine;
    unsigned rounding = psti_rounding_enter();
    for (size_t t = 0; t < steps && !status; t++) {
        status = step(s, x + t * e->inputs, y + t * e->outputs);
        if (status) {
            pst_error detail;
            PST_INIT(detail);
            pst_last_error(&detail);
            status = psti_fail(status, (psti_where){.item = "x", .field = "step", .found = (int64_t)t}, "step %zu: %s",
                               t, detail.message);
        }
    }
    if (!status)
        (void)settle(s, UINT32_MAX);
    psti_rounding_leave(rounding);
    return status;
}

/* What of the caller's input is calibrated on, and what is held back from it. */
#include <math.h>

#include "base/status.h"
#include "compile/compile.h"

#define HELD_BACK 5      /* one part in so many */
#define FEWEST_STEPS 100 /* of which some are held back unasked */

static psti_data whole(const float *x, uint64_t sequences, uint64_t steps) {
    return (psti_data){x, sequences ? sequences : 1, steps, steps};
}

static pst_status check(const pst_model *m, const pst_compile_options *o) {
    if (o->calibration && o->steps == 0)
        return psti_fail(PST_E_SHAPE, (psti_where){.item = "calibration", .field = "steps"},
                         "calibration: expected at least 1 step of %u features, found 0", m->inputs);
    if (o->held_back && !o->calibration)
        return psti_fail(PST_E_ARGUMENT, (psti_where){.item = "held_back"},
                         "held_back: there is no calibration that it could be held back from");
    if (o->held_back && o->held_back_steps == 0)
        return psti_fail(PST_E_SHAPE, (psti_where){.item = "held_back", .field = "held_back_steps"},
                         "held_back: expected at least 1 step of %u features, found 0", m->inputs);
    return PST_OK;
}

pst_status psti_split_data(const pst_model *m, const pst_compile_options *o, psti_split *out) {
    *out = (psti_split){{0}, {0}};
    pst_status status = check(m, o);
    if (status || !o->calibration)
        return status;
    psti_data *c = &out->calibration, *h = &out->held_back;
    *c = whole(o->calibration, o->sequences, o->steps);
    if (o->held_back) {
        *h = whole(o->held_back, o->held_back_sequences, o->held_back_steps);
    } else if (c->sequences >= HELD_BACK) {
        *h = *c;
        h->sequences = c->sequences / HELD_BACK;
        c->sequences -= h->sequences;
        h->x += (size_t)c->sequences * c->stride * m->inputs;
    } else if (c->steps >= FEWEST_STEPS) {
        *h = *c;
        h->steps = c->steps / HELD_BACK;
        c->steps -= h->steps;
        h->x += (size_t)c->steps * m->inputs;
    }
    return PST_OK;
}

static pst_status bad_value(int over, uint64_t sequence, uint64_t step, uint32_t feature, uint32_t inputs, double x) {
    const char *name = over == PSTI_OVER_HELD_BACK ? "held_back" : "calibration";
    return psti_fail(PST_E_NONFINITE, (psti_where){.item = name, .found = (int64_t)((size_t)step * inputs + feature)},
                     "%s: sequence %llu, step %llu, feature %u: expected a finite value of at most 2^60 in magnitude, "
                     "found %g",
                     name, (unsigned long long)sequence, (unsigned long long)step, feature, x);
}

pst_status psti_check_data(const pst_model *m, const psti_data *data, int over) {
    for (uint64_t s = 0; s < data->sequences; s++)
        for (uint64_t t = 0; t < data->steps; t++)
            for (uint32_t i = 0; i < m->inputs; i++) {
                float x = data->x[(size_t)(s * data->stride + t) * m->inputs + i];
                if (!(fabsf(x) <= 0x1p60f))
                    return bad_value(over, s, t, i, m->inputs, (double)x);
            }
    return PST_OK;
}

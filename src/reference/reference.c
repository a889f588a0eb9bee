/* The model in float64, one timestep at a time, from its fp32 weights. */
#include "reference/reference.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rounding.h"
#include "base/status.h"

/* The largest |x| that any format takes; the reference refuses the same inputs that a stream refuses. */
#define LARGEST_X 0x1p60f

#define PSTI_KIND(name) &psti_reference_kind_##name,
static const psti_reference_kind *const kinds[PSTI_KINDS] = {
#include "model/kinds.def"
};
#undef PSTI_KIND

struct psti_reference {
    psti_arena arena;
    const pst_model *model;
    double **state;   /* [layers], NULL where a layer has none */
    double *value[2]; /* a layer's input and output, taking turns */
    double *scratch;  /* 4 * the widest output */
};

static void clear(psti_reference *r) {
    const pst_model *m = r->model;
    for (uint32_t l = 0; l < m->count; l++)
        if (kinds[m->layers[l].kind]->reset)
            kinds[m->layers[l].kind]->reset(&m->layers[l], r->state[l]);
}

pst_status psti_reference_open(const pst_model *m, psti_reference **out) {
    psti_arena arena = {0};
    psti_reference *r = psti_arena_take(&arena, 1, sizeof *r);
    if (!r)
        return PST_E_MEMORY;
    size_t widest = m->inputs;
    for (uint32_t l = 0; l < m->count; l++)
        widest = m->layers[l].outputs > widest ? m->layers[l].outputs : widest;

    r->model = m;
    r->state = psti_arena_take(&arena, m->count, sizeof *r->state);
    r->value[0] = psti_arena_take(&arena, widest, sizeof(double));
    r->value[1] = psti_arena_take(&arena, widest, sizeof(double));
    r->scratch = psti_arena_take(&arena, 4 * widest, sizeof(double));
    int missing = !r->state || !r->value[0] || !r->value[1] || !r->scratch;
    for (uint32_t l = 0; !missing && l < m->count; l++) {
        const psti_layer *layer = &m->layers[l];
        if (!kinds[layer->kind]->state)
            continue;
        r->state[l] = psti_arena_take(&arena, kinds[layer->kind]->state(layer), sizeof(double));
        missing = !r->state[l];
    }
    if (missing) {
        psti_arena_free(&arena);
        return PST_E_MEMORY;
    }
    r->arena = arena; /* r itself is in it */
    clear(r);
    *out = r;
    return PST_OK;
}

void psti_reference_step(psti_reference *r, const double *x, double *y) {
    const pst_model *m = r->model;
    for (uint32_t l = 0; l < m->count; l++) {
        const psti_layer *layer = &m->layers[l];
        double *to = r->value[l % 2];
        kinds[layer->kind]->step(layer, x, r->state[l], r->scratch, to);
        x = to;
    }
    memcpy(y, x, m->outputs * sizeof *y);
}

void psti_reference_reset(psti_reference *r) {
    clear(r);
}

void psti_reference_close(psti_reference *r) {
    if (!r)
        return;
    psti_arena arena = r->arena;
    psti_arena_free(&arena);
}

/* Refuses what a stream would refuse, before anything is computed. */
static pst_status check_x(const float *x, uint64_t sequences, uint64_t steps, size_t inputs) {
    for (uint64_t s = 0; s < sequences; s++)
        for (uint64_t t = 0; t < steps; t++, x += inputs)
            for (size_t k = 0; k < inputs; k++)
                if (!(fabsf(x[k]) <= LARGEST_X)) /* also true of NaN */
                    return psti_fail(PST_E_NONFINITE, (psti_where){.item = "x", .found = (int64_t)k},
                                     "x: the value of input %zu at step %" PRIu64 " of sequence %" PRIu64
                                     " is %g: not finite, or beyond 2^60",
                                     k, t, s, (double)x[k]);
    return PST_OK;
}

pst_status pst_model_reference(const pst_model *m, const float *x, uint64_t sequences, uint64_t steps, double *y) {
    if (!m)
        return psti_fail_null("m");
    if (!x)
        return psti_fail_null("x");
    if (!y)
        return psti_fail_null("y");
    size_t vectors, bytes;
    if (!psti_multiply((size_t)sequences, (size_t)steps, &vectors) ||
        !psti_multiply(vectors, sizeof(double) * (m->inputs > m->outputs ? m->inputs : m->outputs), &bytes))
        return psti_fail(PST_E_ARGUMENT, (psti_where){.item = "steps"},
                         "%" PRIu64 " sequences of %" PRIu64 " steps are more than memory can hold", sequences, steps);
    pst_status status = check_x(x, sequences, steps, m->inputs);
    if (status)
        return status;

    double *v = psti_allocate(m->inputs, sizeof *v);
    if (!v)
        return PST_E_MEMORY;
    psti_reference *r;
    status = psti_reference_open(m, &r);
    if (status) {
        free(v);
        return status;
    }
    unsigned rounding = psti_rounding_enter();
    for (uint64_t s = 0; s < sequences; s++) {
        psti_reference_reset(r);
        for (uint64_t t = 0; t < steps; t++, x += m->inputs, y += m->outputs) {
            for (size_t k = 0; k < m->inputs; k++)
                v[k] = (double)x[k];
            psti_reference_step(r, v, y);
        }
    }
    psti_rounding_leave(rounding);
    psti_reference_close(r);
    free(v);
    return PST_OK;
}

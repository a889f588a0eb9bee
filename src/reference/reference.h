/* The float64 reference: what "right" means. */
#ifndef PSTI_REFERENCE_REFERENCE_H
#define PSTI_REFERENCE_REFERENCE_H

#include "model/model.h"

typedef struct psti_reference psti_reference;

/* State of one sequence, at the model's initial state. The model must outlive it. Error set on failure. */
pst_status psti_reference_open(const pst_model *m, psti_reference **out);
/* One timestep: x[inputs] -> y[outputs], all in float64. */
void psti_reference_step(psti_reference *r, const double *x, double *y);
void psti_reference_reset(psti_reference *r);
void psti_reference_close(psti_reference *r);

/* One kind's part. */
typedef struct {
    /* doubles of state a layer needs; NULL: none */
    size_t (*state)(const psti_layer *layer);
    /* to the initial state; NULL where `state` is */
    void (*reset)(const psti_layer *layer, double *state);
    /* y[outputs] from x[inputs], which do not overlap; scratch has room for 4 * outputs doubles */
    void (*step)(const psti_layer *layer, const double *x, double *state, double *scratch, double *y);
} psti_reference_kind;

#define PSTI_KIND(name) extern const psti_reference_kind psti_reference_kind_##name;
#include "model/kinds.def"
#undef PSTI_KIND

/* out[rows] = W[rows][columns] v + b; b may be NULL. */
void psti_reference_product(const float *w, size_t rows, size_t columns, const double *v, const float *b, double *out);

#endif

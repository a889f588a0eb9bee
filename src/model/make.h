/* What is known while one layer of a model is being made. */
#ifndef PSTI_MODEL_MAKE_H
#define PSTI_MODEL_MAKE_H

#include "base/status.h"
#include "model/model.h"

struct psti_making {
    psti_arena *arena;
    const psti_origin *origin; /* NULL: the caller's memory */
    size_t index;
    const pst_layer *given; /* complete, whatever size the caller's struct had */
    const psti_kind *kind;
    const psti_layer *below; /* NULL for the first layer */
    char name[64];           /* "layer 1 (lstm)" */
};

/* Fails for the layer itself. `format` begins after "layer 1 (lstm): ". */
pst_status psti_making_fail(const psti_making *making, pst_status status, psti_where where, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Fails for tensor number `tensor` as given, called `name`. */
pst_status psti_making_fail_tensor(const psti_making *making, size_t tensor, const char *name, pst_status status,
                                   psti_where where, const char *format, ...) __attribute__((format(printf, 6, 7)));

/* Checks the tensors given against the kind's rules, takes inputs and outputs from their shapes, and copies the values
 * as fp32. */
pst_status psti_making_tensors(const psti_making *making, psti_layer *layer);

#endif

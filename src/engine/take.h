/* What a layer does around its products on several cores: takes its input, begins with the part that is there, offers
 * its output. */
#ifndef PSTI_ENGINE_TAKE_H
#define PSTI_ENGINE_TAKE_H

#include "engine/engine.h"

/* Waits for the others' slices of a vector and copies them, unless that was done in this step. 0, or 1 if the step was
 * given up. */
int psti_take_slices(psti_core *core, const psti_vector *v, const psti_turn *turn);
/* The whole of a matrix' input, encoded: while slices are missing, `kernel` begins blocks with this core's own, and
 * args->ahead says which. 0, or 1 if the step was given up. */
int psti_take_input(psti_core *core, const psti_vector *v, const psti_turn *turn, psti_ahead_fn *kernel,
                    psti_layer_args *args);
/* This core's slice of a vector to whom it may concern. */
static inline void psti_give(const psti_vector *v, const psti_turn *turn) {
    if (!turn->tag)
        return;
    psti_expect(&v->route, turn->tag); /* whoever was faster: its lines come meanwhile */
    psti_offer(&v->route, turn->slot, turn->now, turn->tag);
}

#endif

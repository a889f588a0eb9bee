/* Placing a core's share. */
#ifndef PSTI_ENGINE_PLACE_H
#define PSTI_ENGINE_PLACE_H

#include "engine/engine.h"

/* Bytes in the core's slots, aligned to 64; for layer kinds. */
size_t psti_core_reserve(psti_core *core, size_t bytes);
/* How many lines the engine's cores exchange in all; before any core is placed. */
pst_status psti_core_lines(psti_core *core, const pst_program *p, size_t *lines);
/* Plans the slot and copies this core's share of the weights, on the thread that will use them. */
pst_status psti_core_place(psti_core *core, const pst_program *p);
void psti_core_drop(psti_core *core);

#endif

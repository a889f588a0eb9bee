/* Rehearsal: what the next step needs, brought into the caches, and the wide vector units awake. */
#include "engine/engine.h"

void psti_rehearse(const psti_engine *e) {
    char *slot = e->rehearsal.address;
    psti_cursor cursor = {0};
    psti_settle_all(e, slot, &cursor);
    psti_respond(e, slot, e->silence, 0, e->nobody);
}

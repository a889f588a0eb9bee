/* Who makes what: every vector is cut into slices, one a member of the engine; and who needs what of the others. */
#include "base/memory.h"
#include "engine/kinds.h"

static void give(pst_engine *e, uint32_t vector, uint32_t member, uint32_t first, uint32_t end) {
    uint32_t *slice = e->slices + 2 * ((size_t)vector * e->members + member);
    slice[0] = first;
    slice[1] = end - first;
}

pst_status psti_share(pst_engine *e, const pst_program *p) {
    uint32_t border[PSTI_MOST_CORES + 1];
    e->slices = psti_arena_take(&e->arena, ((size_t)p->count + 1) * e->members * 2, sizeof *e->slices);
    if (!e->slices)
        return PST_E_MEMORY;
    for (uint32_t m = 0; m < e->members; m++)
        give(e, 0, m, 0, m == e->caller->index ? p->inputs : 0);
    for (uint32_t i = 0; i < p->count; i++) {
        const psti_engine_kind *kind = psti_engine_kinds[p->layers[i].kind];
        if (kind->reads_whole)
            kind->cut(p, i, e->cores, border);
        for (uint32_t m = 0; m < e->cores; m++) {
            const uint32_t *below = psti_slice(e, i, m);
            if (kind->reads_whole)
                give(e, i + 1, m, border[m], border[m + 1]);
            else
                give(e, i + 1, m, below[0], below[0] + below[1]);
        }
    }
    return PST_OK;
}

int psti_needs(const pst_engine *e, const pst_program *p, uint32_t vector, uint32_t member) {
    if (vector == p->count)
        return member == e->caller->index || (psti_program_has_h(&p->layers[vector - 1]) &&
                                              psti_slice(e, vector, member)[1] != 0); /* y; an lstm's own h */
    if (psti_engine_kinds[p->layers[vector].kind]->reads_whole && psti_slice(e, vector + 1, member)[1])
        return 1;
    return vector && psti_program_has_h(&p->layers[vector - 1]) && psti_slice(e, vector, member)[1];
}

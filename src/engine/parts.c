/* The streams' state on one core, and the queue of what a worker owes. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "engine/engine.h"

size_t psti_part_bytes(const psti_core *core) {
    return core->slot_bytes ? core->slot_bytes : 64;
}

static pst_status make_room(psti_core *core, uint32_t number) {
    if (number < core->part_room)
        return PST_OK;
    uint32_t room = core->part_room ? core->part_room : 4;
    while (room <= number)
        room *= 2;
    psti_part **parts = realloc(core->parts, room * sizeof *parts);
    if (!parts)
        return psti_fail_memory(room * sizeof *parts);
    memset(parts + core->part_room, 0, (room - core->part_room) * sizeof *parts);
    core->parts = parts;
    core->part_room = room;
    return PST_OK;
}

pst_status psti_part_open(psti_core *core, uint32_t number) {
    pst_status status = make_room(core, number);
    if (status)
        return status;
    psti_part *part = psti_allocate(1, sizeof *part);
    if (!part)
        return PST_E_MEMORY;
    if ((status = psti_pages_map(psti_part_bytes(core), (int)core->engine->flags, "stream", &part->pages))) {
        free(part);
        return status;
    }
    part->slot = part->pages.address;
    core->parts[number] = part;
    return PST_OK;
}

static void drop(psti_part *part) {
    psti_pages_unmap(&part->pages);
    free(part);
}

void psti_part_close(psti_core *core, uint32_t number) {
    psti_part *part = number < core->part_room ? core->parts[number] : NULL;
    if (!part)
        return;
    psti_owe_nothing(core, part);
    drop(part);
    core->parts[number] = NULL;
}

void psti_parts_drop(psti_core *core) {
    for (uint32_t i = 0; i < core->part_room; i++)
        if (core->parts[i])
            drop(core->parts[i]);
    free(core->parts);
}

void psti_owe_nothing(psti_core *core, psti_part *part) {
    part->owing = 0;
    if (!part->last && core->owing != part)
        return; /* not in the queue */
    *(part->last ? &part->last->next : &core->owing) = part->next;
    *(part->next ? &part->next->last : &core->owing_last) = part->last;
    part->next = part->last = NULL;
}

void psti_owe(psti_core *core, psti_part *part) {
    psti_owe_nothing(core, part);
    part->owing = part != &core->practice && core->settle_units + core->touch_units != 0;
    if (core == core->engine->caller || !part->owing)
        return;
    part->last = core->owing_last;
    *(core->owing_last ? &core->owing_last->next : &core->owing) = part;
    core->owing_last = part;
}

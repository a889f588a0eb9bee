/* Seats: which CPU each core gets. */
#ifndef PSTI_ENGINE_SEATS_H
#define PSTI_ENGINE_SEATS_H

#include "penstock.h"

typedef struct {
    int alone;         /* every thread has a CPU to itself */
    uint64_t l2_bytes; /* of the core with the least: its part of the L2 that it shares with others of these cores; 0:
                          not known */
} psti_seating;

/* Fills cpus[cores] for an engine of `members` threads, the caller's included; PSTI_NO_CPU: any. PST_E_HOST where that
 * is more than the CPUs or the quota allow and was not asked for. */
pst_status psti_seats(const pst_engine_options *o, uint32_t cores, uint32_t members, uint32_t *cpus, psti_seating *out);

#endif

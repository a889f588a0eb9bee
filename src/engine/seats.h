/* Seats: which CPU each core gets. */
#ifndef PSTI_ENGINE_SEATS_H
#define PSTI_ENGINE_SEATS_H

#include "penstock.h"

/* Fills cpus[cores] for an engine of `members` threads, the caller's included; PSTI_NO_CPU: any. PST_E_HOST where that
 * is more than the CPUs or the quota allow and was not asked for. *alone: every thread has a CPU to itself. */
pst_status psti_seats(const pst_engine_options *o, uint32_t cores, uint32_t members, uint32_t *cpus, int *alone);

#endif

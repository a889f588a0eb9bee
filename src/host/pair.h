/* Two threads, each bound to a CPU, that begin together; and whoever asked for them waits only so long. */
#ifndef PSTI_HOST_PAIR_H
#define PSTI_HOST_PAIR_H

#include <stdatomic.h>

#include "penstock.h"

/* What thread `side`, 0 or 1, does. Once *over is not 0 nobody waits for it: every loop looks. */
typedef void psti_pair_work(int side, const atomic_int *over, void *shared);

/* Runs the work on cpu[0] and cpu[1], over one copy of *shared (n bytes, at most 64-byte aligned), which is copied back
 * when both are done. PST_E_HOST if a CPU is refused or they are not done within `patience` seconds: *shared is
 * untouched then, and the copy is freed by the last thread that ends. */
pst_status psti_pair_run(const uint32_t cpu[2], psti_pair_work *work, double patience, void *shared, size_t n);

/* How long a measurement may be asked to take: PST_E_ARGUMENT unless it is a number in [0, 3600]. */
pst_status psti_pair_seconds(double seconds);

#endif

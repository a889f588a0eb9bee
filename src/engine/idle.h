/* How a core waits: for its next command between steps, and for the others' lines within one. */
#ifndef PSTI_ENGINE_IDLE_H
#define PSTI_ENGINE_IDLE_H

#include <stdatomic.h>
#include <stdint.h>

#include "penstock.h"

typedef struct {
    int strategy; /* PST_IDLE_..., never AUTO */
    uint64_t spin_ns;
    int pause; /* PAUSE may be used: it does not leave the guest */
} psti_idle;

struct psti_core;

/* One wait within a step. Zero-initialise, but for `tag`. */
typedef struct {
    uint64_t tag; /* of the step; 0: the caller waits before it has published one, so no core may give one up for it */
    uint64_t since;
    uint32_t polls;
} psti_wait;

/* CLOCK_MONOTONIC in ns, without a system call wherever the C library has one without. */
uint64_t psti_now(void);
/* Fills the strategy: what was asked for, or what the host has instead. `apart`: every thread has a CPU to itself. A
 * sentence for what is lacking, else NULL. */
const char *psti_idle_choose(int asked, uint32_t spin_us, int alone, psti_idle *out);
const char *psti_idle_name(const psti_idle *idle);
/* Between two polls. 0: poll again; 1: the step was given up (by the caller, whose deadline this also watches). */
int psti_wait_more(struct psti_core *core, psti_wait *w);
/* Of a core that a test holds: says that it stands still, and gives its time slice away once. */
void psti_stand_still(struct psti_core *core);
/* A worker between two looks at its command line, with nothing owed. */
void psti_idle_once(struct psti_core *core, const _Atomic uint64_t *awaited, uint64_t tag);
/* The worker has work: its idle time is over. */
void psti_idle_over(struct psti_core *core);
/* The caller has published: wakes parked workers. */
void psti_idle_wake(struct pst_engine *e);

#endif

/* The twin: work as long as a step that touches nothing but registers. What slows the twin is the machine (interrupts,
 * other processes, the hypervisor, the clock rate), not the engine. */
#ifndef LAB_TWIN_H
#define LAB_TWIN_H

#include <stdint.h>

#include "lab/clock.h"
#include "lab/crew.h"

/* A chain of `links` multiplications and additions, each needing the one before. */
uint64_t lab_twin_run(uint64_t links);

/* What one run took, in ticks. */
static inline uint64_t lab_twin_time(uint64_t links) {
    uint64_t before = lab_ticks();
    lab_twin_run(links);
    return lab_ticks() - before;
}

/* The number of links whose median run takes `ticks`, found from `links`, an earlier answer or 0. crew: those who run
 * it at once; NULL: the caller alone. */
uint64_t lab_twin_fit(lab_crew *crew, uint64_t links, uint64_t ticks);

#endif

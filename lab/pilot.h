/* The pilot: short runs of one program on different numbers of cores, which choose the one that --cores best reports.
 * None of its steps is reported: the least of several medians would be too good. */
#ifndef LAB_PILOT_H
#define LAB_PILOT_H

#include "lab/clock.h"
#include "lab/options.h"
#include "lab/program.h"

/* The numbers of cores worth trying on so many CPUs, ascending, 1 first; how many there are. */
uint32_t lab_pilot_candidates(uint32_t cpus, uint32_t list[LAB_PILOT_MOST]);

/* Fills p->pilot. A number of cores that the library refuses here is none that was tried; 1 always is. */
int lab_pilot_run(const lab_clock *clock, const lab_options *o, lab_program *p);

#endif

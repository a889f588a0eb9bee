/* A crew: threads that do the twin's work on the CPUs of an engine that is closed, all at once, so that the tail of a
 * twin on several cores is that of the same CPUs, and of waiting for the slowest of them. */
#ifndef LAB_CREW_H
#define LAB_CREW_H

#include <stdint.h>

typedef struct lab_crew lab_crew;

/* Starts count - 1 threads, each bound to its CPU, and binds the caller to the first; UINT32_MAX: where the system puts
 * it, as where binding is refused. They spin until lab_crew_close. */
int lab_crew_open(const uint32_t *cpus, uint32_t count, lab_crew **out);
/* Ends the threads and gives the caller, which opened it, its affinity back. Takes NULL. */
void lab_crew_close(lab_crew *crew);

/* Ticks from the common start to the end of the last one, `links` each (see twin.h). NULL: the caller alone. */
uint64_t lab_crew_time(lab_crew *crew, uint64_t links);

#endif

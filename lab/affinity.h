/* On which CPUs the calling thread may run. */
#ifndef LAB_AFFINITY_H
#define LAB_AFFINITY_H

#include <stddef.h>
#include <stdint.h>

/* As the system has it, in a set as large as the system wants it. */
typedef struct {
    void *set; /* NULL: it was not to be had */
    size_t bytes;
} lab_affinity;

void lab_affinity_get(lab_affinity *a);
/* Gives the thread the affinity it had, and frees it. */
void lab_affinity_put(lab_affinity *a);
/* Whether the thread runs on that CPU only from now on; UINT32_MAX, any CPU, is never bound to. */
int lab_affinity_bind(uint32_t cpu);
/* How many CPUs there are for the thread; 1 where the system does not tell. */
uint32_t lab_affinity_count(void);

#endif

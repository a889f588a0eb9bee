/* Threads of the library: where they run, what they are called. */
#ifndef PSTI_CPU_THREAD_H
#define PSTI_CPU_THREAD_H

#include <pthread.h>

#include "penstock.h"

/* Starts a thread called `name` (at most 15 characters) with all signals blocked, so that the process's handlers run on
 * its own threads. PST_E_HOST with the system's reason if it is refused. */
pst_status psti_thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *argument);

/* An affinity, as the system has it. */
typedef struct psti_affinity psti_affinity;

/* Binds the calling thread to one CPU. 0, or errno. *was, if not NULL, becomes the affinity before, from malloc. */
int psti_thread_bind(uint32_t cpu, psti_affinity **was);
/* Puts an affinity back and frees it; NULL: nothing. 0, or errno (freed all the same). */
int psti_thread_restore(psti_affinity *was);
/* Frees an affinity that is not put back; NULL: nothing. */
void psti_thread_forget(psti_affinity *was);
/* The CPU that the calling thread runs on at the moment. No system call where the C library has one without. */
uint32_t psti_thread_cpu(void);

#endif

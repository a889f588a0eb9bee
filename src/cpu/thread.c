/* Starting, naming and binding threads. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_setaffinity, sched_getcpu, pthread_setname_np */
#endif
#include "cpu/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "cpu/topology.h"

struct psti_affinity {
    size_t bytes;
    cpu_set_t *set;
};

pst_status psti_thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *argument) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the new thread inherits it */
    int refused = pthread_create(thread, NULL, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (refused)
        return psti_fail(PST_E_HOST, (psti_where){.item = name, .os_error = refused},
                         "%s: the system starts no thread: %s", name, strerror(refused));
    pthread_setname_np(*thread, name);
    return PST_OK;
}

/* No system has more CPUs; a mask of that many has 128 KiB. */
#define MOST_CPUS (1 << 20)

/* The system says how large its masks are by refusing smaller ones. */
static psti_affinity *get(void) {
    for (int n = 1024; n <= MOST_CPUS; n *= 4) {
        psti_affinity *a = malloc(sizeof *a);
        cpu_set_t *set = CPU_ALLOC(n);
        size_t bytes = CPU_ALLOC_SIZE(n);
        if (a && set && sched_getaffinity(0, bytes, set) == 0) {
            *a = (psti_affinity){bytes, set};
            return a;
        }
        int refused = errno;
        if (set)
            CPU_FREE(set);
        free(a);
        if (refused != EINVAL)
            return NULL;
    }
    return NULL;
}

void psti_thread_forget(psti_affinity *was) {
    if (was)
        CPU_FREE(was->set);
    free(was);
}

int psti_thread_bind(uint32_t cpu, psti_affinity **was) {
    if (cpu >= MOST_CPUS)
        return EINVAL;
    psti_affinity *before = was ? get() : NULL;
    if (was && !before)
        return errno ? errno : ENOMEM;
    cpu_set_t *set = CPU_ALLOC(cpu + 1);
    size_t bytes = CPU_ALLOC_SIZE(cpu + 1);
    int refused = set ? 0 : ENOMEM;
    if (set) {
        CPU_ZERO_S(bytes, set);
        CPU_SET_S(cpu, bytes, set);
        if (sched_setaffinity(0, bytes, set) != 0)
            refused = errno;
        CPU_FREE(set);
    }
    if (refused && before)
        psti_thread_forget(before);
    else if (was)
        *was = before;
    return refused;
}

int psti_thread_restore(psti_affinity *was) {
    if (!was)
        return 0;
    int refused = sched_setaffinity(0, was->bytes, was->set) == 0 ? 0 : errno;
    psti_thread_forget(was);
    return refused;
}

uint32_t psti_thread_cpu(void) {
    int cpu = sched_getcpu();
    return cpu < 0 ? PSTI_NO_CPU : (uint32_t)cpu;
}

/* The twin's threads: see crew.h. */
#include "lab/crew.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lab/affinity.h"
#include "lab/clock.h"
#include "lab/error.h"
#include "lab/twin.h"

enum { LINE = 64 };

/* A line each, as an engine's cores have: the start goes out in one, each end comes back in one. */
typedef struct {
    _Alignas(LINE) _Atomic uint64_t done; /* the turn it has run */
    lab_crew *crew;
    uint32_t cpu;
    pthread_t thread;
} member;

struct lab_crew {
    _Alignas(LINE) _Atomic uint64_t turn;
    uint64_t links; /* of this turn; STOP ends */
    _Alignas(LINE) uint32_t started;
    lab_affinity was; /* the caller's */
    member *others;
};

#define STOP UINT64_MAX

static void *run(void *argument) {
    member *m = argument;
    (void)lab_affinity_bind(m->cpu);
    for (uint64_t seen = 0;;) {
        uint64_t turn = atomic_load_explicit(&m->crew->turn, memory_order_acquire);
        if (turn == seen)
            continue;
        seen = turn;
        if (m->crew->links == STOP)
            return NULL;
        lab_twin_run(m->crew->links);
        atomic_store_explicit(&m->done, turn, memory_order_release);
    }
}

/* Signals are the business of the thread that opened the crew. */
static int start(member *m) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int refused = pthread_create(&m->thread, NULL, run, m);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return refused ? lab_fail("the twin: a thread could not be started: %s", strerror(refused)) : 0;
}

int lab_crew_open(const uint32_t *cpus, uint32_t count, lab_crew **out) {
    lab_crew *crew = aligned_alloc(LINE, sizeof *crew);
    member *others = aligned_alloc(LINE, count * sizeof *others);
    if (!crew || !others) {
        free(crew);
        free(others);
        return lab_fail_memory();
    }
    memset(crew, 0, sizeof *crew);
    memset(others, 0, count * sizeof *others);
    crew->others = others;
    int result = 0;
    for (uint32_t i = 1; i < count && !result; i++) {
        member *m = &others[crew->started];
        m->crew = crew;
        m->cpu = cpus[i];
        result = start(m);
        crew->started += !result;
    }
    if (result) {
        lab_crew_close(crew);
        return result;
    }
    lab_affinity_get(&crew->was);
    if (crew->was.set)
        (void)lab_affinity_bind(cpus[0]);
    (void)lab_crew_time(crew, 1); /* all of them are there */
    *out = crew;
    return 0;
}

static void begin(lab_crew *crew, uint64_t links) {
    crew->links = links;
    atomic_fetch_add_explicit(&crew->turn, 1, memory_order_release);
}

void lab_crew_close(lab_crew *crew) {
    if (!crew)
        return;
    begin(crew, STOP);
    for (uint32_t i = 0; i < crew->started; i++)
        pthread_join(crew->others[i].thread, NULL);
    lab_affinity_put(&crew->was);
    free(crew->others);
    free(crew);
}

uint64_t lab_crew_time(lab_crew *crew, uint64_t links) {
    if (!crew)
        return lab_twin_time(links);
    uint64_t before = lab_ticks();
    begin(crew, links);
    lab_twin_run(links);
    uint64_t turn = atomic_load_explicit(&crew->turn, memory_order_relaxed);
    for (uint32_t i = 0; i < crew->started; i++)
        while (atomic_load_explicit(&crew->others[i].done, memory_order_acquire) != turn)
            ;
    return lab_ticks() - before;
}

/* Two threads on two CPUs: see pair.h. The threads are never joined: a CPU that somebody else holds for good would hold
 * the caller with it. What the threads use lives until the last of the three has let go of it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "host/pair.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/status.h"
#include "cpu/thread.h"

typedef struct pair pair;
typedef struct {
    pair *pair;
    int side;
    uint32_t cpu;
    int refused; /* errno of binding */
    int ended;
} end;

struct pair {
    atomic_int over; /* polled while measuring, so in a line that nothing else is written to */
    char apart[128 - sizeof(atomic_int)];
    atomic_int arrived;
    pthread_mutex_t lock; /* for `ended` and `users` */
    pthread_cond_t changed;
    int users;
    end ends[2];
    psti_pair_work *work;
    void *shared;
};

/* With the lock held, which is given back. */
static void leave(pair *p) {
    int last = --p->users == 0;
    pthread_mutex_unlock(&p->lock);
    if (!last)
        return;
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    free(p->shared);
    free(p);
}

static void *run(void *argument) {
    end *e = argument;
    pair *p = e->pair;
    e->refused = psti_thread_bind(e->cpu, NULL);
    if (e->refused)
        atomic_store(&p->over, 1);
    atomic_fetch_add(&p->arrived, 1);
    while (atomic_load(&p->arrived) < 2 && !atomic_load(&p->over))
        sched_yield();
    if (!atomic_load(&p->over))
        p->work(e->side, &p->over, p->shared);
    pthread_mutex_lock(&p->lock);
    e->ended = 1;
    pthread_cond_signal(&p->changed);
    leave(p);
    return NULL;
}

/* A wall clock may be set meanwhile: the monotonic one. */
static int open_condition(pthread_cond_t *c) {
    pthread_condattr_t monotonic;
    int refused = pthread_condattr_init(&monotonic);
    if (refused)
        return refused;
    refused = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    if (!refused)
        refused = pthread_cond_init(c, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return refused;
}

static pair *open_pair(const uint32_t cpu[2], psti_pair_work *work, const void *shared, size_t n) {
    pair *p = psti_allocate(1, sizeof *p);
    if (!p)
        return NULL;
    p->shared = psti_allocate(1, n);
    if (!p->shared || open_condition(&p->changed)) {
        if (p->shared)
            psti_fail_memory(sizeof p->changed);
        free(p->shared);
        free(p);
        return NULL;
    }
    pthread_mutex_init(&p->lock, NULL);
    memcpy(p->shared, shared, n);
    p->users = 1;
    p->work = work;
    for (int side = 0; side < 2; side++)
        p->ends[side] = (end){.pair = p, .side = side, .cpu = cpu[side]};
    return p;
}

static pst_status start(pair *p) {
    for (int side = 0; side < 2; side++) {
        pthread_t thread;
        pthread_mutex_lock(&p->lock);
        p->users++;
        pthread_mutex_unlock(&p->lock);
        pst_status status = psti_thread_start(&thread, "penstock-pair", run, &p->ends[side]);
        if (status) {
            atomic_store(&p->over, 1);
            pthread_mutex_lock(&p->lock);
            p->users--;
            pthread_mutex_unlock(&p->lock);
            return status;
        }
        pthread_detach(thread);
    }
    return PST_OK;
}

static struct timespec after(double seconds) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += (time_t)seconds;
    t.tv_nsec += (long)(1e9 * (seconds - (double)(time_t)seconds));
    if (t.tv_nsec >= 1000000000) {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }
    return t;
}

/* With the lock held. */
static pst_status verdict(const pair *p, double patience) {
    for (int side = 0; side < 2; side++) {
        const end *e = &p->ends[side];
        if (e->ended && e->refused)
            return psti_fail(PST_E_HOST, (psti_where){.item = "cpu", .found = e->cpu, .os_error = e->refused},
                             "CPU %u: a thread cannot be bound to it: %s", e->cpu, strerror(e->refused));
    }
    if (p->ends[0].ended && p->ends[1].ended)
        return PST_OK;
    const end *e = &p->ends[p->ends[0].ended];
    return psti_fail(PST_E_HOST, (psti_where){.item = "cpu", .found = e->cpu},
                     "CPU %u: its thread was not done within %.3g s: something else holds the CPU", e->cpu, patience);
}

pst_status psti_pair_run(const uint32_t cpu[2], psti_pair_work *work, double patience, void *shared, size_t n) {
    pair *p = open_pair(cpu, work, shared, n);
    if (!p)
        return PST_E_MEMORY;
    const struct timespec deadline = after(patience);
    pst_status status = start(p);
    pthread_mutex_lock(&p->lock);
    if (status == PST_OK) {
        int late = 0;
        while (!(p->ends[0].ended && p->ends[1].ended) && !late)
            late = pthread_cond_timedwait(&p->changed, &p->lock, &deadline) != 0;
        atomic_store(&p->over, 1);
        status = verdict(p, patience);
    }
    if (status == PST_OK)
        memcpy(shared, p->shared, n);
    leave(p);
    return status;
}

pst_status psti_pair_seconds(double seconds) {
    if (seconds >= 0 && seconds <= 3600)
        return PST_OK;
    return psti_fail(PST_E_ARGUMENT, (psti_where){.item = "seconds"}, "seconds is %g: expected a number of 0 to 3600",
                     seconds);
}

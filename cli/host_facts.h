/* What the system says of itself that bears on latency: one fact a line, judged, with what to change. */
#ifndef PENSTOCK_CLI_HOST_FACTS_H
#define PENSTOCK_CLI_HOST_FACTS_H

#include <stddef.h>
#include <stdint.h>

enum { FACT_OK, FACT_NOTE, FACT_BAD, FACT_UNKNOWN };
/* "ok", "note", "bad", "unknown". */
const char *host_judgement(int judgement);

typedef struct {
    const char *name; /* "governor" */
    char found[160];
    int judgement;
    const char *effect; /* what it does to a step; NULL where it does nothing */
    char change[720];   /* the command, or words where no command does it; "" where nothing is to be done */
} host_fact;

enum { HOST_FACTS = 40 };
typedef struct {
    const uint32_t *cpus; /* that this process may use; at least one */
    size_t cpu_count;
    uint64_t bytes; /* of memory that an engine wants huge and locked */
    double quota;   /* CPUs that the groups grant; 0: no limit. Filled by host_facts_quota */
    host_fact fact[HOST_FACTS];
    uint32_t count;
} host_facts;

/* Appends all of the following. cpus, cpu_count and bytes are set, the rest cleared. */
void host_facts_read(host_facts *f);
void host_facts_machine(host_facts *f);  /* virtualisation, steal, clock source */
void host_facts_schedule(host_facts *f); /* isolation, ticks, real-time limit, NUMA balancing, irqbalance, load */
void host_facts_quota(host_facts *f);    /* CPU quota, throttled time */
void host_facts_power(host_facts *f);    /* governor, C-states, SMT */
void host_facts_memory(host_facts *f);   /* huge pages, locking, swap */

/* Appends one, its effect and change still empty; found is a text as of printf. */
host_fact *host_fact_add(host_facts *f, const char *name, int judgement, const char *found, ...)
    __attribute__((format(printf, 4, 5)));
/* Says what it does and what to do about it, as of printf. */
void host_fact_change(host_fact *fact, const char *effect, const char *change, ...)
    __attribute__((format(printf, 3, 4)));

#endif

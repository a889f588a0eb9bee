/* The list of facts: see host_facts.h. */
#include "host_facts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *host_judgement(int judgement) {
    static const char *const names[] = {"ok", "note", "bad", "unknown"};
    return names[judgement];
}

host_fact *host_fact_add(host_facts *f, const char *name, int judgement, const char *found, ...) {
    if (f->count == HOST_FACTS)
        abort();
    host_fact *fact = &f->fact[f->count++];
    *fact = (host_fact){.name = name, .judgement = judgement};
    va_list arguments;
    va_start(arguments, found);
    vsnprintf(fact->found, sizeof fact->found, found, arguments);
    va_end(arguments);
    return fact;
}

void host_fact_change(host_fact *fact, const char *effect, const char *change, ...) {
    fact->effect = effect;
    va_list arguments;
    va_start(arguments, change);
    vsnprintf(fact->change, sizeof fact->change, change, arguments);
    va_end(arguments);
}

void host_facts_read(host_facts *f) {
    host_facts_machine(f);
    host_facts_schedule(f);
    host_facts_quota(f);
    host_facts_power(f);
    host_facts_memory(f);
}

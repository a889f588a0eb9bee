/* What the caller tells the other cores: one line, in two slots as all lines. */
#ifndef PSTI_ENGINE_COMMAND_H
#define PSTI_ENGINE_COMMAND_H

#include <string.h>

#include "engine/engine.h"

enum { PSTI_COMMAND_STEP = 1, PSTI_COMMAND_JOB, PSTI_COMMAND_STOP };

typedef struct {
    uint32_t kind;
    uint32_t stream; /* STEP: its number, */
    uint64_t time;   /* the time that the step makes, */
    float x_scale;   /* and 2^e of x where its format has one */
    psti_job *job;   /* JOB */
    void *argument;
} psti_command;
_Static_assert(sizeof(psti_command) <= PSTI_PAYLOAD, "a command is one line");

/* 1, and the command, if the one with this tag is there. */
static inline int psti_command_read(psti_line *lines, uint64_t tag, psti_command *out) {
    psti_line *line = &lines[tag & 1];
    if (atomic_load_explicit(&line->tag, memory_order_acquire) != tag)
        return 0;
    memcpy(out, line->payload, sizeof *out);
    return 1;
}

/* Tells all threads to end. */
void psti_tell_to_stop(pst_engine *e);
/* The first status of the last job that is not PST_OK on another thread, with its error on this one. */
pst_status psti_first_failure(const pst_engine *e);

#endif

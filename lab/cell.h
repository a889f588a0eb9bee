/* A cell: one model in one format on a number of cores, and everything measured of it. */
#ifndef LAB_CELL_H
#define LAB_CELL_H

#include "lab/clock.h"
#include "lab/histogram.h"
#include "lab/options.h"
#include "lab/subject.h"
#include "penstock.h"

enum { LAB_ROUNDS = 10 };

typedef struct {
    const lab_subject *subject;
    pst_program *own; /* NULL for a .pstk, which is its subject's */
    pst_engine *engine;
    pst_stream *stream;
    char format[16], level[32];
    uint32_t cores;
    pst_info info;
    pst_engine_info engine_info; /* its strings live as long as the engine */
    pst_certificate errors;      /* steps 0: not known */
    double compile_s, open_s;    /* compile_s 0: it was not compiled here */

    float *x, *y;     /* the caller's buffers */
    uint64_t at;      /* of the subject's inputs */
    char *disturbed;  /* memory that is written between steps */
    uint64_t links;   /* of the twin */
    uint64_t started; /* when the last timed step began */

    uint64_t first;           /* ticks of the first step after opening */
    lab_histogram step, twin; /* ticks */
    lab_histogram interval;   /* ticks of respond and settle, back to back */
    lab_histogram spacing;    /* ticks from one start to the next, as it came out */
    double floor_ns[LAB_ROUNDS];
    double read_slow, reads; /* bare reads above 1.2 x their median, and all of them */
    uint32_t floors;
} lab_cell;

/* Compiles, opens, times the first step, and finds the errors. format is NULL for a .pstk. */
int lab_cell_open(const lab_subject *subject, const char *format, uint32_t cores, const lab_options *o, lab_cell *cell);
void lab_cell_close(lab_cell *cell);

/* One round's part: takes `samples` of them, fewer if `until` (in ticks) comes first, but some in any case. */
int lab_cell_slice(lab_cell *cell, const lab_clock *clock, const lab_options *o, uint64_t samples, uint64_t until);

#endif

/* A whole run: subjects, their programs and cells, and ten rounds over all of them. */
#ifndef LAB_BENCH_H
#define LAB_BENCH_H

#include "lab/cell.h"

typedef struct {
    const lab_options *options;
    lab_subject *subjects;
    uint32_t subject_count;
    lab_program *programs;
    uint32_t program_count;
    lab_cell *cells;
    uint32_t cell_count;
    lab_clock clock;
    double drift; /* of the clock over the run */
    pst_host host;
    char date[32];    /* of the start, UTC: 2026-11-23T07:40:00Z */
    double start;     /* CLOCK_MONOTONIC, s */
    double setup_s;   /* host, models, compiling, errors, pilot runs */
    double measure_s; /* the rounds */
} lab_bench;

/* Runs everything. The options must outlive *out. On failure nothing is left. */
int lab_bench_run(const lab_options *o, lab_bench *out);
void lab_bench_free(lab_bench *b);

#endif

/* A whole run: see bench.h. */
#include "lab/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab/error.h"
#include "lab/models.h"
#include "lab/pilot.h"

/* Of the budget: for the host, and at least for the rounds, whatever the rest took. */
#define HOST_SHARE 0.02
#define HOST_MOST_S 1.5
#define ROUNDS_SHARE 0.3

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Progress is time: all of the budget is used unless the cells have all their samples before. */
static void report(const lab_bench *b, const char *stage, const char *model, const char *format) {
    char text[64];
    if (!b->options->report)
        return;
    const char *slash = strrchr(model, '/');
    snprintf(text, sizeof text, "%s %.24s %s", stage, slash ? slash + 1 : model, format);
    b->options->report(NULL, fmin((now() - b->start) / b->options->budget_s, 0.99), text);
}

/* Numbers of cores that the library refuses on this machine. */
static int check_cores(const lab_options *o, const pst_program *program) {
    for (uint32_t i = 0; i < o->cores.count; i++) {
        pst_engine_options e;
        pst_engine *engine = NULL;
        if (strcmp(o->cores.item[i], LAB_BEST) == 0)
            continue;
        PST_INIT(e);
        e.cores = (uint32_t)strtoul(o->cores.item[i], NULL, 10);
        e.level = o->level;
        if (pst_engine_open(program, &e, &engine) != PST_OK)
            return lab_fail_library("--cores");
        pst_engine_close(engine);
    }
    return 0;
}

/* What the library does not know or have should be refused before minutes have gone into the rest. */
static int check(const lab_options *o) {
    const lab_shape least = {"the least model", 1, 4, 4, 1};
    pst_model *model = NULL;
    for (uint32_t i = 0; i < o->models.count; i++)
        if (!lab_is_path(o->models.item[i]) &&
            lab_input_fits(&o->input, o->models.item[i], lab_shape_find(o->models.item[i])->input))
            return -1;
    int result = lab_model_create(&least, o->seed, &model);
    for (uint32_t i = 0; i < o->formats.count && !result; i++) {
        pst_compile_options c;
        pst_program *program = NULL;
        PST_INIT(c);
        c.format = o->formats.item[i];
        c.flags = PST_COMPILE_UNCERTIFIED;
        if (pst_compile(model, &c, &program) != PST_OK)
            result = lab_fail_library("--formats");
        else if (i == 0)
            result = check_cores(o, program);
        pst_program_free(program);
    }
    pst_model_free(model);
    return result;
}

/* The errors over the kinds of input that the program is not timed with. */
static int try_others(lab_bench *b, lab_program *program) {
    const lab_subject *s = program->subject;
    for (int kind = 0; kind < LAB_KINDS && s->model; kind++) {
        report(b, "error of", s->name, program->format);
        if (lab_program_try(program, kind, b->options))
            return -1;
    }
    return 0;
}

static int open_programs(lab_bench *b, lab_subject *s) {
    const lab_options *o = b->options;
    uint32_t formats = s->model ? o->formats.count : 1;
    for (uint32_t f = 0; f < formats; f++) {
        lab_program *program = &b->programs[b->program_count];
        const char *format = s->model ? o->formats.item[f] : NULL;
        report(b, "compiling", s->name, format ? format : "");
        if (lab_program_open(s, format, o, program))
            return -1;
        b->program_count++;
        if (try_others(b, program))
            return -1;
        if (s->model && strcmp(program->format, "bf16") == 0)
            s->bf16_rms = program->errors.rms;
    }
    return lab_subject_bf16(s, o);
}

static int open_subject(lab_bench *b, const char *name, lab_subject *s) {
    if (lab_subject_open(name, b->options, s))
        return -1;
    b->subject_count++;
    for (int kind = 0; kind < LAB_KINDS; kind++) {
        report(b, "reference of", name, "");
        if (lab_subject_try(s, kind, b->options))
            return -1;
    }
    return open_programs(b, s);
}

static int open_subjects(lab_bench *b) {
    const lab_options *o = b->options;
    b->subjects = calloc(o->models.count, sizeof *b->subjects);
    b->programs = calloc((size_t)o->models.count * o->formats.count, sizeof *b->programs);
    b->cells = calloc((size_t)o->models.count * o->formats.count * o->cores.count, sizeof *b->cells);
    if (!b->subjects || !b->programs || !b->cells)
        return lab_fail_memory();
    if (check(o))
        return -1;
    for (uint32_t i = 0; i < o->models.count; i++)
        if (open_subject(b, o->models.item[i], &b->subjects[i]))
            return -1;
    return 0;
}

/* A cell for so many cores, unless the program has one already, which is then that of the best number too. */
static int open_cell(lab_bench *b, const lab_program *p, uint32_t cores, int best) {
    for (uint32_t i = 0; i < b->cell_count; i++)
        if (b->cells[i].program == p && b->cells[i].cores == cores) {
            b->cells[i].best |= best;
            return 0;
        }
    lab_cell *cell = &b->cells[b->cell_count];
    if (lab_cell_open(p, cores, b->options, cell))
        return -1;
    cell->best = best;
    b->cell_count++;
    return 0;
}

static int open_cells(lab_bench *b) {
    const lab_options *o = b->options;
    for (uint32_t i = 0; i < b->program_count; i++)
        for (uint32_t c = 0; c < o->cores.count; c++) {
            lab_program *p = &b->programs[i];
            int best = strcmp(o->cores.item[c], LAB_BEST) == 0;
            report(b, "choosing cores for", p->subject->name, p->format);
            if (best && lab_pilot_run(&b->clock, o, p))
                return -1;
            uint32_t cores = best ? p->pilot.tried[p->pilot.best].cores : (uint32_t)strtoul(o->cores.item[c], NULL, 10);
            if (open_cell(b, p, cores, best))
                return -1;
        }
    return 0;
}

/* Every cell once a round. What a cell leaves of its share falls to those that follow. */
static int run_rounds(lab_bench *b, double seconds) {
    const lab_options *o = b->options;
    const double end = now() + seconds;
    const uint32_t slices = LAB_ROUNDS * b->cell_count;
    for (uint32_t i = 0; i < slices; i++) {
        lab_cell *cell = &b->cells[i % b->cell_count];
        uint64_t goal = o->inferences * (i / b->cell_count + 1) / LAB_ROUNDS;
        double share = fmax(end - now(), 0) / (slices - i);
        report(b, "measuring", cell->program->subject->name, cell->program->format);
        if (goal > cell->step.count &&
            lab_cell_slice(cell, &b->clock, o, goal - cell->step.count, lab_ticks_of(&b->clock, share * 1e6)))
            return -1;
    }
    return 0;
}

int lab_bench_run(const lab_options *o, lab_bench *b) {
    memset(b, 0, sizeof *b);
    b->options = o;
    b->start = now();
    time_t date = time(NULL);
    struct tm utc;
    if (gmtime_r(&date, &utc))
        strftime(b->date, sizeof b->date, "%Y-%m-%dT%H:%M:%SZ", &utc);
    PST_INIT(b->host);
    lab_clock_open(&b->clock);
    if (pst_host_measure(fmin(HOST_SHARE * o->budget_s, HOST_MOST_S), o->level, &b->host) != PST_OK)
        return lab_fail_library("the host");
    int result = open_subjects(b);
    if (!result) {
        lab_clock_calibrate(&b->clock);
        result = open_cells(b);
    }
    if (!result) {
        b->setup_s = now() - b->start;
        result = run_rounds(b, fmax(o->budget_s - b->setup_s, ROUNDS_SHARE * o->budget_s));
        b->measure_s = now() - b->start - b->setup_s;
        b->drift = lab_clock_drift(&b->clock);
    }
    if (result)
        lab_bench_free(b);
    return result;
}

void lab_bench_free(lab_bench *b) {
    for (uint32_t i = 0; i < b->cell_count; i++)
        lab_cell_close(&b->cells[i]);
    for (uint32_t i = 0; i < b->program_count; i++)
        lab_program_close(&b->programs[i]);
    for (uint32_t i = 0; i < b->subject_count; i++)
        lab_subject_close(&b->subjects[i]);
    free(b->cells);
    free(b->programs);
    free(b->subjects);
    memset(b, 0, sizeof *b);
}

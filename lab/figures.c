/* What is printed of a cell: see figures.h. */
#include "lab/figures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>

/* From here on a step counts as slow: this much above the median. */
#define SLOW 1.2

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *values, uint32_t n) {
    double own[LAB_ROUNDS];
    for (uint32_t i = 0; i < n; i++)
        own[i] = values[i];
    qsort(own, n, sizeof *own, ascending);
    return n ? 0.5 * (own[(n - 1) / 2] + own[n / 2]) : NAN;
}

static double percentile(const lab_bench *b, const lab_histogram *h, double q) {
    return h->count ? lab_us(&b->clock, lab_histogram_at(h, q)) : NAN;
}

static double slow(const lab_histogram *h) {
    return h->count ? lab_histogram_above(h, SLOW * (double)lab_histogram_at(h, 0.5)) : NAN;
}

static double speed_up(const lab_bench *b, const lab_cell *cell, double p50_us) {
    for (uint32_t i = 0; i < b->cell_count && cell->cores > 1; i++)
        if (b->cells[i].program == cell->program && b->cells[i].cores == 1)
            return percentile(b, &b->cells[i].step, 0.5) / p50_us;
    return NAN;
}

/* Steps at a bad moment, when the other figures are known. */
static void moments(const lab_bench *b, const lab_cell *cell, lab_figures *f) {
    f->second_p50_us = percentile(b, &cell->second, 0.5);
    f->second_p99_us = percentile(b, &cell->second, 0.99);
    f->second_over = f->second_p50_us / f->interval_us;
    f->other_p50_us = percentile(b, &cell->interfered, 0.5);
    f->other_p99_us = percentile(b, &cell->interfered, 0.99);
    f->other_excess_us = f->other_p99_us - f->p50_us - (f->twin_p99_us - f->twin_p50_us);
    for (int warm = 0; warm < 2; warm++) {
        f->silent_p50_us[warm] = percentile(b, &cell->silent[warm], 0.5);
        f->silent_over[warm] = f->silent_p50_us[warm] / f->p50_us;
    }
}

static double first_step(const lab_bench *b, const lab_cell *cell) {
    double us[LAB_ROUNDS];
    for (uint32_t i = 0; i < cell->openings; i++)
        us[i] = lab_us(&b->clock, cell->first[i]);
    return median(us, cell->openings);
}

static const char *kind_of(const lab_input *input) {
    return input->rows ? "file" : lab_input_same(input, &lab_input_iid) ? "normal" : "ar";
}

static void errors(const lab_bench *b, const lab_cell *cell, lab_figures *f) {
    const pst_certificate *c = &cell->program->errors;
    const lab_input *input = &b->options->input;
    for (int kind = 0; kind < LAB_KINDS; kind++)
        f->kind_relative_rms[kind] = cell->program->relative_rms[kind];
    f->error_steps = c->steps * c->sequences;
    f->input_kind = "none";
    f->max_abs = f->rms = f->relative_rms = f->rms_ratio_bf16 = NAN;
    if (!f->error_steps)
        return;
    f->max_abs = c->max_abs;
    f->rms = c->rms;
    f->relative_rms = c->relative_rms;
    f->rms_ratio_bf16 = c->rms / cell->program->subject->bf16_rms;
    f->error_seed = !cell->program->subject->model ? c->seed : input->rows ? 0 : b->options->seed;
    f->input_kind = cell->program->subject->model ? kind_of(input)
                    : c->from_caller              ? "certificate, calibration"
                                                  : "certificate, noise";
}

void lab_figures_of(const lab_bench *b, const lab_cell *cell, lab_figures *f) {
    const lab_histogram *step = &cell->step, *twin = &cell->twin;
    *f = (lab_figures){
        .mean_us = step->count ? lab_histogram_mean(step) / b->clock.ticks_per_us : NAN,
        .p50_us = percentile(b, step, 0.5),
        .p99_us = percentile(b, step, 0.99),
        .p999_us = percentile(b, step, 0.999),
        .max_us = percentile(b, step, 1),
        .twin_p50_us = percentile(b, twin, 0.5),
        .twin_p99_us = percentile(b, twin, 0.99),
        .p_slow = slow(step),
        .twin_p_slow = slow(twin),
        .read_p_slow = cell->reads > 0 ? cell->read_slow / cell->reads : NAN,
        .interval_us = percentile(b, &cell->interval, 0.5),
        .spacing_us = percentile(b, &cell->spacing, 0.5) / b->options->burst,
        .floor_us = 1e-3 * median(cell->floor_ns, cell->floors) + b->clock.pair_us,
        .read_us = 1e-3 * median(cell->read_ns, cell->floors),
        .hop_us = cell->hops ? 1e-3 * median(cell->hop_ns, cell->floors) : NAN,
        .open_ms = 1e3 * median(cell->open_s, cell->openings),
        .first_us = first_step(b, cell),
    };
    f->speed_up = speed_up(b, cell, f->p50_us);
    f->over_floor = f->p50_us / f->floor_us;
    moments(b, cell, f);
    f->saturated = f->interval_us > b->options->spacing_us;
    errors(b, cell, f);
}

void lab_shape_text(const lab_subject *s, char *text, size_t n) {
    if (s->hidden)
        snprintf(text, n, "%ux%u", s->layers, s->hidden);
    else
        snprintf(text, n, "%u lstm", s->layers);
}

const char *lab_compiler(void) {
#if defined(__clang__)
    return "clang " __clang_version__;
#else
    return "gcc " __VERSION__;
#endif
}

void lab_system(char *text, size_t n) {
    struct utsname name;
    if (uname(&name) == 0)
        snprintf(text, n, "%s %s %s", name.sysname, name.release, name.machine);
    else
        snprintf(text, n, "unknown");
}

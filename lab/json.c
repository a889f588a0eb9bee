/* The run as JSON: see json.h. One line for each result; fields are only ever added, at the end. */
#include "lab/json.h"

#include <math.h>
#include <string.h>

#include "lab/error.h"
#include "lab/figures.h"
#include "lab/needed.h"

/* Digits of a figure: more than any of them deserves, and short. */
enum { DIGITS = 9 };

/* JSON has no NaN: null. */
static json_t *number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

/* Whole numbers beyond 2^63 do not occur but for a seed; JSON readers lose them beyond 2^53 anyway. */
static json_t *whole(uint64_t value) {
    return json_integer((json_int_t)value);
}

/* A path need not be UTF-8, which JSON's strings are: null. */
static json_t *string(const char *text) {
    json_t *value = json_string(text);
    return value ? value : json_null();
}

static void put(json_t *object, const char *name, json_t *value) {
    json_object_set_new(object, name, value);
}

static json_t *host(const lab_bench *b) {
    const pst_host *h = &b->host;
    char system[256];
    const char *const *names;
    size_t count;
    json_t *o = json_object(), *levels = json_array();
    lab_system(system, sizeof system);
    pst_levels(&names, &count);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(levels, json_string(names[i]));
    put(o, "cpu", string(h->cpu));
    put(o, "logical_cpus", whole(h->logical_cpus));
    put(o, "virtualised", json_boolean(h->virtualised));
    put(o, "l1d_bytes", whole(h->l1d_bytes));
    put(o, "l2_bytes", whole(h->l2_bytes));
    put(o, "l3_bytes", whole(h->l3_bytes));
    put(o, "l1_gbs", number(h->l1_gbs));
    put(o, "l2_gbs", number(h->l2_gbs));
    put(o, "l3_gbs", number(h->l3_gbs));
    put(o, "levels", levels);
    put(o, "version", json_string(pst_version()));
    put(o, "compiler", json_string(lab_compiler()));
    put(o, "system", string(system));
    put(o, "date", json_string(b->date));
    put(o, "clock", json_string(b->clock.name));
    put(o, "clock_mhz", number(b->clock.ticks_per_us));
    put(o, "clock_pair_ns", number(1e3 * b->clock.pair_us));
    put(o, "clock_drift", number(b->drift));
    return o;
}

static json_t *hiccups(const pst_host *h) {
    json_t *o = json_object();
    put(o, "seconds", number(h->hiccup_seconds));
    put(o, "at_least_1us", whole(h->hiccups_1us));
    put(o, "at_least_10us", whole(h->hiccups_10us));
    put(o, "at_least_100us", whole(h->hiccups_100us));
    put(o, "max_us", number(h->hiccup_max_us));
    put(o, "share", number(h->hiccup_share));
    return o;
}

/* [upper bound in ns, steps, twins] for every class that holds any; the bound is the first value of the next class. */
static json_t *histogram(const lab_bench *b, const lab_cell *cell) {
    json_t *all = json_array();
    for (uint32_t i = 0; i < LAB_HISTOGRAM_CLASSES; i++) {
        if (!cell->step.in[i] && !cell->twin.in[i])
            continue;
        json_t *class = json_array();
        json_array_append_new(class, number(1e3 * ((double)lab_class_last(i) + 1) / b->clock.ticks_per_us));
        json_array_append_new(class, whole(cell->step.in[i]));
        json_array_append_new(class, whole(cell->twin.in[i]));
        json_array_append_new(all, class);
    }
    return all;
}

/* Cores needed to be below a mean: by the floor, and by the floor times p50 / floor as measured; null where no number
 * is enough or nothing was measured on several. */
static void put_needed(json_t *o, const lab_bench *b, const lab_program *p, double below_us) {
    static const char *const names[] = {"cores_by_floor", "cores_as_here"};
    double hop_ns, factor;
    int known = isfinite(below_us) && lab_needed_base(b, p, &hop_ns, &factor);
    for (int measured = 0; measured < 2; measured++) {
        lab_needed n = {0, NAN};
        if (known &&
            lab_needed_of(lab_program_of(p), &b->host, hop_ns, b->clock.pair_us, measured ? factor : 1, below_us, &n))
            n.cores = 0;
        put(o, names[measured], n.cores ? whole(n.cores) : json_null());
    }
}

static json_t *anchors(const lab_bench *b, const lab_anchors *a, const lab_program *p) {
    const char *model = p->subject->name;
    json_t *all = json_array();
    for (size_t k = 0; k < a->columns; k++) {
        const json_t *figures = json_object_get(a->column[k].figures, model);
        if (!figures)
            continue;
        json_t *o = json_deep_copy(figures);
        put(o, "system", json_string(a->column[k].system));
        put(o, "source", json_string(a->column[k].source));
        put(o, "conditions", json_string(a->column[k].conditions));
        put_needed(o, b, p, lab_anchors_figure(a, k, model, "mean_us"));
        json_array_append_new(all, o);
    }
    return all;
}

static void put_latency(json_t *o, const lab_bench *b, const lab_cell *cell, const lab_figures *f) {
    put(o, "spacing_us", number(b->options->spacing_us));
    put(o, "inferences", whole(cell->step.count));
    put(o, "mean_us", number(f->mean_us));
    put(o, "p50_us", number(f->p50_us));
    put(o, "p99_us", number(f->p99_us));
    put(o, "p999_us", number(f->p999_us));
    put(o, "max_us", number(f->max_us));
    put(o, "twin_p50_us", number(f->twin_p50_us));
    put(o, "twin_p99_us", number(f->twin_p99_us));
    put(o, "interval_us", number(f->interval_us));
    put(o, "floor_us", number(f->floor_us));
    put(o, "p_slow", number(f->p_slow));
    put(o, "twin_p_slow", number(f->twin_p_slow));
    put(o, "saturated", json_boolean(f->saturated));
}

static void put_error(json_t *o, const lab_bench *b, const lab_figures *f) {
    put(o, "seed", whole(b->options->seed));
    put(o, "input_kind", json_string(f->input_kind));
    put(o, "max_abs_error", number(f->max_abs));
    put(o, "rms_error", number(f->rms));
    put(o, "rms_ratio_bf16", number(f->rms_ratio_bf16));
    put(o, "relative_rms_error", number(f->relative_rms));
}

static void put_cores(json_t *o, const lab_cell *cell, const lab_figures *f) {
    const lab_pilot *p = &cell->program->pilot;
    json_t *cpus = json_array(), *pilot = json_array();
    for (uint32_t i = 0; i < p->count; i++) {
        json_t *tried = json_object();
        put(tried, "cores", whole(p->tried[i].cores));
        put(tried, "p50_us", number(p->tried[i].p50_us));
        json_array_append_new(pilot, tried);
    }
    for (uint32_t i = 0; i < cell->cores && i < LAB_CORES_MOST; i++)
        json_array_append_new(cpus, cell->cpus[i] == UINT32_MAX ? json_null() : whole(cell->cpus[i]));
    put(o, "best", json_boolean(cell->best));
    put(o, "pilot", pilot);
    put(o, "speed_up", number(f->speed_up));
    put(o, "cpus", cpus);
    put(o, "idle", json_string(cell->idle));
    put(o, "openings", whole(cell->openings));
    put(o, "read_us", number(f->read_us));
    put(o, "hops", whole(cell->hops));
    put(o, "hop_us", number(f->hop_us));
    put(o, "retouched_bytes", whole(cell->retouched_bytes));
}

static void put_moments(json_t *o, const lab_bench *b, const lab_cell *cell, const lab_figures *f) {
    put(o, "second_p50_us", number(f->second_p50_us));
    put(o, "second_p99_us", number(f->second_p99_us));
    put(o, "second_over_interval", number(f->second_over));
    put(o, "streams", whole(b->options->streams));
    put(o, "other_inferences", whole(cell->interfered.count));
    put(o, "other_p50_us", number(f->other_p50_us));
    put(o, "other_p99_us", number(f->other_p99_us));
    put(o, "other_excess_us", number(f->other_excess_us));
    put(o, "silence_ms", number(b->options->silence_ms));
    put(o, "silent_inferences", whole(cell->silent[0].count));
    put(o, "silent_p50_us", number(f->silent_p50_us[0]));
    put(o, "silent_over_p50", number(f->silent_over[0]));
    put(o, "warmed_inferences", whole(cell->silent[1].count));
    put(o, "warmed_p50_us", number(f->silent_p50_us[1]));
    put(o, "warmed_over_p50", number(f->silent_over[1]));
}

static void put_kinds(json_t *o, const lab_bench *b, const lab_cell *cell, const lab_figures *f) {
    put(o, "input_name", string(b->options->input.name));
    put(o, "calibration_steps", whole(cell->program->subject->own->calibration_steps));
    put(o, "iid_relative_rms_error", number(f->kind_relative_rms[LAB_KIND_IID]));
    put(o, "ar09_relative_rms_error", number(f->kind_relative_rms[LAB_KIND_AR]));
    put(o, "other_relative_rms_error", number(f->kind_relative_rms[LAB_KIND_OTHER]));
}

static json_t *result(const lab_bench *b, const lab_anchors *a, const lab_cell *cell) {
    const lab_subject *s = cell->program->subject;
    lab_figures f;
    json_t *o = json_object();
    lab_figures_of(b, cell, &f);
    put(o, "model", string(s->name));
    put(o, "layers", whole(s->layers));
    put(o, "hidden", s->hidden ? whole(s->hidden) : json_null());
    put(o, "input", whole(s->inputs));
    put(o, "output", whole(s->outputs));
    put(o, "parameters", whole(s->parameters));
    put(o, "format", json_string(cell->program->format));
    put(o, "cores", whole(cell->cores));
    put(o, "level", json_string(cell->level));
    put_latency(o, b, cell, &f);
    put_error(o, b, &f);
    put(o, "histogram", histogram(b, cell));
    put(o, "burst", whole(b->options->burst));
    put(o, "disturb_bytes", whole(b->options->disturb_bytes));
    put(o, "spacing_p50_us", number(f.spacing_us));
    put(o, "p50_over_floor", number(f.over_floor));
    put(o, "read_p_slow", number(f.read_p_slow));
    put(o, "first_us", number(f.first_us));
    put(o, "open_s", number(1e-3 * f.open_ms));
    put(o, "compile_s", cell->program->compile_s > 0 ? number(cell->program->compile_s) : json_null());
    put(o, "critical_bytes", whole(cell->program->info.critical_bytes));
    put(o, "settle_bytes", whole(cell->program->info.settle_bytes));
    put(o, "padding_bytes", whole(cell->program->info.padding_bytes));
    put(o, "page_bytes", whole(cell->page_bytes));
    put(o, "locked_bytes", whole(cell->locked_bytes));
    put(o, "error_steps", whole(f.error_steps));
    put(o, "error_seed", whole(f.error_seed));
    put(o, "anchors", anchors(b, a, cell->program));
    put_cores(o, cell, &f);
    put_moments(o, b, cell, &f);
    put_kinds(o, b, cell, &f);
    return o;
}

/* Writes a value after `before`; -1 where memory or the file gave out. */
static int dump(const char *before, json_t *value, FILE *to) {
    int good = value && fputs(before, to) >= 0 &&
               json_dumpf(value, to, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(DIGITS)) == 0;
    json_decref(value);
    return good ? 0 : lab_fail("the JSON could not be written");
}

int lab_json_print(const lab_bench *b, const lab_anchors *a, FILE *to) {
    if (dump("{\"schema\":1,\n\"host\":", host(b), to) || dump(",\n\"hiccups\":", hiccups(&b->host), to))
        return -1;
    for (uint32_t i = 0; i < b->cell_count; i++)
        if (dump(i ? ",\n" : ",\n\"results\":[\n", result(b, a, &b->cells[i]), to))
            return -1;
    fprintf(to, "\n]}\n");
    return 0;
}

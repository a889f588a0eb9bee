/* The run as text: see table.h. */
#include "lab/table.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "lab/error.h"
#include "lab/figures.h"
#include "lab/grid.h"
#include "lab/heading.h"
#include "lab/moments_table.h"
#include "lab/needed.h"
#include "lab/prose.h"

/* A median spacing up to this times the one asked for counts as kept. */
#define SPACING_KEPT 1.02

static const char about_latency[] =
    "interval: respond and settle, back to back, median: the shortest spacing that can be kept. saturated: the spacing "
    "is shorter than that. floor: a bare read of the weights that respond needs, all cores at once, each after a "
    "settle, the hops from core to core, and the clock's pair of readings, in the same rounds. speed-up: one core's "
    "p50 / p50. twin: register-only work of the same median on the same cores, on several all at once and from the "
    "common start to the end of the last; its tail is the machine's own. slow: steps above 1.2 x p50; read %: the "
    "floor's bare reads above 1.2 x theirs, the memory's own tail; twin %: the twin's. error: the "
    "format's, relative, over what the last paragraphs say.";

/* The number of cores that the pilot run has chosen, and where the spacing asked for was not kept: by the step and its
 * settle alone, or with the twin. */
static void print_note(lab_grid *g, const lab_bench *b, const lab_cell *cell, const lab_figures *f) {
    char pace[24] = "";
    if (f->saturated)
        snprintf(pace, sizeof pace, "saturated");
    else if (f->spacing_us > SPACING_KEPT * b->options->spacing_us)
        snprintf(pace, sizeof pace, "%.3g us apart", f->spacing_us);
    lab_grid_text(g, "%s%s%s", cell->best ? "best" : "", cell->best && *pace ? ", " : "", pace);
}

/* What `best` was chosen from: every program had the same to choose from. */
static void print_best(const lab_bench *b, int markdown, FILE *to) {
    const lab_pilot *p = &b->programs[0].pilot;
    char tried[128] = "";
    for (uint32_t i = 0; i < p->count; i++)
        snprintf(tried + strlen(tried), sizeof tried - strlen(tried), "%s%u", i ? ", " : "", p->tried[i].cores);
    if (p->count)
        lab_prose(
            markdown, to,
            "best: of %s core%s, the number with the least p50 in a pilot run before this one, model by model and "
            "format by format.",
            tried, p->count > 1 ? "s" : "");
}

/* What --input has a column of its own for; NULL where that is one of the others. */
static const lab_input *other_input(const lab_bench *b) {
    return lab_input_of_kind(&b->options->input, LAB_KIND_OTHER);
}

static void put_times(lab_grid *g, const double *us, int count) {
    for (int k = 0; k < count; k++)
        lab_grid_fixed(g, us[k] < 1000 ? 2 : 0, us[k]);
}

/* Beside the latency, because it is what the latency was bought with. */
static void put_kinds(lab_grid *g, const lab_bench *b, const lab_figures *f) {
    lab_grid_share(g, f->kind_relative_rms[LAB_KIND_IID]);
    lab_grid_share(g, f->kind_relative_rms[LAB_KIND_AR]);
    if (other_input(b))
        lab_grid_share(g, f->kind_relative_rms[LAB_KIND_OTHER]);
}

static int print_latency(const lab_bench *b, int markdown, FILE *to) {
    char headings[512];
    snprintf(headings, sizeof headings,
             "model|shape|format|level|cores|n|mean|p50|p99|iid error|ar:0.9 error%s|p99.9|max|interval|floor|"
             "p50/floor|speed-up|twin p50|twin p99|slow %%|read %%|twin %%|note",
             other_input(b) ? "|error here" : "");
    lab_grid g;
    if (lab_grid_open(&g, headings))
        return -1;
    for (uint32_t i = 0; i < b->cell_count && lab_grid_row(&g); i++) {
        const lab_cell *cell = &b->cells[i];
        lab_figures f;
        char shape[32];
        lab_figures_of(b, cell, &f);
        lab_shape_text(cell->program->subject, shape, sizeof shape);
        lab_grid_text(&g, "%.20s", lab_program_name(cell->program));
        lab_grid_text(&g, "%s", shape);
        lab_grid_text(&g, "%.*s", LAB_FORMAT_CELL, cell->program->format);
        lab_grid_text(&g, "%s", cell->level);
        lab_grid_text(&g, "%u", cell->cores);
        lab_grid_text(&g, "%" PRIu64, cell->step.count);
        put_times(&g, (const double[]){f.mean_us, f.p50_us, f.p99_us}, 3);
        put_kinds(&g, b, &f);
        put_times(&g, (const double[]){f.p999_us, f.max_us, f.interval_us, f.floor_us}, 4);
        lab_grid_fixed(&g, 2, f.over_floor);
        lab_grid_fixed(&g, 2, f.speed_up);
        lab_grid_fixed(&g, 2, f.twin_p50_us);
        lab_grid_fixed(&g, 2, f.twin_p99_us);
        lab_grid_fixed(&g, 2, 100 * f.p_slow);
        lab_grid_fixed(&g, 2, 100 * f.read_p_slow);
        lab_grid_fixed(&g, 2, 100 * f.twin_p_slow);
        print_note(&g, b, cell, &f);
    }
    fprintf(to, "Latency of a step, in us%s\n\n", markdown ? ":" : "");
    lab_grid_print(&g, 4, markdown, to);
    lab_grid_close(&g);
    fprintf(to, "\n");
    lab_prose(markdown, to, "%s", about_latency);
    print_best(b, markdown, to);
    fprintf(to, markdown ? "" : "\n");
    return 0;
}

static int print_errors(const lab_bench *b, const lab_anchors *a, int markdown, FILE *to) {
    char headings[512] = "model|format|cores|rms error|/ bf16's|relative|max abs|first us|open ms|compile s|respond "
                         "KiB|settle KiB";
    for (size_t k = 0; k < a->columns; k++) {
        strncat(headings, "|", sizeof headings - strlen(headings) - 1);
        strncat(headings, a->column[k].heading, sizeof headings - strlen(headings) - 1);
    }
    lab_grid g;
    if (lab_grid_open(&g, headings))
        return -1;
    for (uint32_t i = 0; i < b->cell_count && lab_grid_row(&g); i++) {
        const lab_cell *cell = &b->cells[i];
        lab_figures f;
        lab_figures_of(b, cell, &f);
        lab_grid_text(&g, "%.20s", lab_program_name(cell->program));
        lab_grid_text(&g, "%.*s", LAB_FORMAT_CELL, cell->program->format);
        lab_grid_text(&g, "%u", cell->cores);
        lab_grid_short(&g, 3, f.rms);
        lab_grid_fixed(&g, 2, f.rms_ratio_bf16);
        lab_grid_share(&g, f.relative_rms);
        lab_grid_short(&g, 3, f.max_abs);
        lab_grid_fixed(&g, 2, f.first_us);
        lab_grid_fixed(&g, 1, f.open_ms);
        lab_grid_fixed(&g, 2, cell->program->compile_s > 0 ? cell->program->compile_s : NAN);
        lab_grid_fixed(&g, 0, (double)cell->program->info.critical_bytes / 1024);
        lab_grid_fixed(&g, 0, (double)cell->program->info.settle_bytes / 1024);
        for (size_t k = 0; k < a->columns; k++) {
            char text[32];
            lab_anchors_text(a, k, cell->program->subject->name, text, sizeof text);
            lab_grid_text(&g, "%s", text);
        }
    }
    fprintf(to, "Error, opening, and others' figures on the same models (mean/p99 in us)%s\n\n", markdown ? ":" : "");
    lab_grid_print(&g, 2, markdown, to);
    lab_grid_close(&g);
    return 0;
}

/* Of a model by name: what --input was where that is not noise, whose lengths are always the same. */
static void print_file(const lab_bench *b, const lab_trial *t, int markdown, FILE *to) {
    const lab_input *input = &b->options->input;
    lab_prose(markdown, to,
              "%s, for %s: rows 1 to %" PRIu64 " calibrated the formats, rows %" PRIu64 " to %" PRIu64
              " are what the error here, and those of the table of errors, were found over.",
              input->name, t->name, t->calibration_steps, input->steps / 2 + 1, input->steps / 2 + t->error_steps);
}

/* The models by name. */
static void print_kinds(const lab_bench *b, int markdown, FILE *to) {
    const lab_input *input = &b->options->input;
    lab_prose(
        markdown, to,
        "Errors of models by name: against float64, over %d steps of inputs of seed %" PRIu64
        ", each format calibrated on %d others of the same kind. iid error: independent normal inputs; ar:0.9 "
        "error: each input its own x(t) = 0.9 x(t-1) + sqrt(1 - 0.9^2) e(t), e normal%s. The steps timed, and the "
        "table of errors, are of %s. An error on noise is not an error on your data. relative, and those beside "
        "the latency: rms error / rms of (y - mean y).",
        LAB_ERROR_STEPS, b->options->seed, LAB_CALIBRATION_STEPS,
        other_input(b) ? "; error here: the inputs asked for" : "", input->name);
    for (uint32_t i = 0; i < b->subject_count && input->rows; i++)
        if (b->subjects[i].model)
            print_file(b, b->subjects[i].own, markdown, to);
}

/* Over what the errors were found, once for the models by name and once for each .pstk. */
static void print_inputs(const lab_bench *b, int markdown, FILE *to) {
    int named = 0;
    for (uint32_t i = 0; i < b->program_count; i++) {
        const lab_program *p = &b->programs[i];
        const pst_certificate *c = &p->errors;
        if (p->subject->model)
            named = 1;
        else if (!c->steps)
            lab_prose(markdown, to, "%s has no certificate, so its error is not known.", lab_program_name(p));
        else if (c->from_caller)
            lab_prose(markdown, to, "%s: errors as certified, over the %" PRIu64 " steps it was calibrated on.",
                      lab_program_name(p), c->steps * c->sequences);
        else
            lab_prose(markdown, to, "%s: errors as certified, over %" PRIu64 " steps of noise of seed %" PRIu64 ".",
                      lab_program_name(p), c->steps * c->sequences, c->seed);
    }
    if (named)
        print_kinds(b, markdown, to);
}

static void print_anchors(const lab_anchors *a, int markdown, FILE *to) {
    for (size_t k = 0; k < a->columns; k++)
        lab_prose(markdown, to, "%s: %s. Source: %s. Conditions: %s.", a->column[k].heading, a->column[k].system,
                  a->column[k].source, a->column[k].conditions);
}

/* What the system refused, once. */
static void print_notes(const lab_bench *b, int markdown, FILE *to) {
    lab_notes all = {0};
    for (uint32_t i = 0; i < b->cell_count; i++)
        for (uint32_t k = 0; k < b->cells[i].notes.count; k++)
            lab_notes_add(&all, b->cells[i].notes.text[k]);
    for (uint32_t k = 0; k < all.count; k++)
        lab_prose(markdown, to, "%s.", all.text[k]);
}

int lab_table_print(const lab_bench *b, const lab_anchors *a, int markdown, FILE *to) {
    lab_heading_print(b, markdown, to);
    if (print_latency(b, markdown, to) || lab_moments_print(b, markdown, to) || print_errors(b, a, markdown, to))
        return -1;
    fprintf(to, "\n");
    if (lab_needed_print(b, a, markdown, to))
        return -1;
    print_inputs(b, markdown, to);
    print_anchors(a, markdown, to);
    print_notes(b, markdown, to);
    lab_prose(markdown, to,
              "Whole run: %.1f s of preparing (host, compiling, float64 reference, pilot), %.1f s of measuring.",
              b->setup_s, b->measure_s);
    return 0;
}

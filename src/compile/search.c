/* "auto": the fastest format on this host that holds a tolerance. Measured are how large the error of each matrix is in
 * each way of holding it, all else in f32; how long a step takes in each format; and whether a choice for all matrices,
 * which these two promise, holds. Errors of single matrices add up as squares, nearly; so the choices that are the
 * fastest for what they promise are found layer by layer, and only those are certified, the fastest first. W_hh is off
 * the path and costs no latency: it has the fewest bytes with which it hardly counts among the errors. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "compile/compile.h"
#include "host/host.h"

#define TIMED_ROUNDS 3
#define TIMED_STEPS 100 /* of a round */
#define AS_FAST 1.01    /* times that are closer are taken for the same */
#define ERROR_STEPS 256
#define MOST_CHOICES 256 /* kept after each layer */
#define MOST_TRIES 8     /* to find one that holds; */
#define NEIGHBOURS 4     /* and of its neighbours */
#define MOST_ROWS (MOST_TRIES + NEIGHBOURS)
#define HOPEFUL 1.5 /* an error promised to be so much above the tolerance is not tried */

/* All W_hh together may have so much of the squared error that the tolerance allows: they add some 3 % to the error. */
#define SHARE_OF_HH 0.0625

/* What is chosen among for W_ih, and those that are encodings for a Linear; what takes as long as another and errs more
 * is left out by the search itself. */
static const char *const candidates[] = {"f32",   "bf16", "w8r",  "w8a16", "w8a8", "w6r", "w6a16",
                                         "w4a16", "w4r",  "w4a8", "w3r",   "w3a8", "w2r", "w2a8"};
/* For W_hh, by bytes. */
static const char *const candidates_hh[] = {"hh=w8a16", "hh=w16a16", "hh=f32"};
enum {
    CANDIDATES = sizeof candidates / sizeof *candidates,
    CANDIDATES_HH = sizeof candidates_hh / sizeof *candidates_hh
};

/* A matrix on the path: what is chosen for. */
typedef struct {
    uint32_t layer;
    int role;                 /* PSTI_ROLE_IH or PSTI_ROLE_LINEAR */
    double share;             /* of the weights on the path */
    double error[CANDIDATES]; /* squared rms; INFINITY: it can't be held so, or something finer takes no longer */
} on_path;

typedef struct {
    const pst_model *m;
    const psti_calibration *c;
    const psti_trial *first, *held_back;
    const pst_compile_options *o;
    const psti_stage *stage;
    psti_recipe recipe[CANDIDATES];
    double us[CANDIDATES]; /* a step of the whole model in each */
    on_path *part;         /* by layer */
    uint32_t parts;
    double *hh_error; /* [layers]: squared rms of each W_hh, which is held the same whatever else is chosen */
    double moves;     /* of y: rms about its mean, over the first trial */
    psti_arena arena;
} search;

static int is_nearest(const search *s) {
    return (s->o->flags & PST_COMPILE_NEAREST) != 0;
}

/* ---- time ---------------------------------------------------------------------------------------------------------
 */

/* Whether a matrix can be held as in candidate k: a Linear has no rest. */
static int fits(const search *s, const on_path *part, int k) {
    return part->role == PSTI_ROLE_IH || s->recipe[k].of[PSTI_ROLE_IH].rest < 0;
}

static void hold(const search *s, psti_recipe *recipes, const on_path *part, int k) {
    recipes[part->layer].of[part->role] = s->recipe[k].of[fits(s, part, k) ? PSTI_ROLE_IH : part->role];
}

/* From the medians of each round: a machine that is slower for a while is so for a whole round, nearly, so what counts
 * is each one's share of its round. */
static void settle_times(double took[TIMED_ROUNDS][CANDIDATES], double us[CANDIDATES]) {
    double whole[TIMED_ROUNDS] = {0}, share[TIMED_ROUNDS], sorted[TIMED_ROUNDS];
    for (int r = 0; r < TIMED_ROUNDS; r++)
        for (int k = 0; k < CANDIDATES; k++)
            whole[r] += took[r][k];
    memcpy(sorted, whole, sizeof sorted);
    double median = psti_host_median(sorted, TIMED_ROUNDS);
    for (int k = 0; k < CANDIDATES; k++) {
        for (int r = 0; r < TIMED_ROUNDS; r++)
            share[r] = took[r][k] / whole[r];
        us[k] = psti_host_median(share, TIMED_ROUNDS) * median;
    }
}

/* In turns, in some rounds. Rounding does not matter to time; programs are made anew each time, as all of them together
 * may not fit into memory. */
static pst_status time_candidates(search *s, psti_recipe *recipes) {
    double took[TIMED_ROUNDS][CANDIDATES];
    pst_status status = PST_OK;
    for (int turn = 0; turn < TIMED_ROUNDS * CANDIDATES && !status; turn++) {
        int k = turn % CANDIDATES;
        pst_program *p = NULL;
        psti_plan plan = {.recipes = recipes, .format = candidates[k]};
        for (uint32_t i = 0; i < s->parts; i++)
            hold(s, recipes, &s->part[i], k);
        status = psti_report(s->stage, 0.1 + 0.2 * turn / (TIMED_ROUNDS * CANDIDATES), "timing formats");
        if (!status)
            status = psti_build(s->m, &plan, &(psti_stage){0}, &p);
        if (!status)
            status = psti_time_steps(p, &s->first->data, s->o, TIMED_STEPS, &took[turn / CANDIDATES][k]);
        pst_program_free(p);
    }
    if (!status)
        settle_times(took, s->us);
    return status;
}

/* ---- errors -------------------------------------------------------------------------------------------------------
 */

static pst_status error_of(const search *s, const psti_recipe *recipes, const psti_trial *t, uint32_t layer, int role,
                           double *square) {
    psti_plan plan = {.recipes = recipes, .format = "auto", .calibration = s->c, .nearest = is_nearest(s)};
    double rms;
    pst_status status = psti_matrix_error(s->m, &plan, t, s->o->level, layer, role, &rms);
    if (!status)
        *square = rms * rms;
    return status;
}

/* The rms error that the tolerances stand for; the largest of many errors is some 3 times that, or more. */
static double allowed(const search *s) {
    double most = s->o->tolerance > 0 ? s->o->tolerance * s->moves : INFINITY;
    return s->o->tolerance_abs > 0 ? fmin(most, s->o->tolerance_abs / 3) : most;
}

/* How each W_hh is held: in the fewest bytes with which it has no more than its part of what they all may. */
static pst_status hold_hh(search *s, psti_recipe *recipes, const psti_trial *t) {
    pst_status status = PST_OK;
    uint32_t lstms = 0;
    for (uint32_t i = 0; i < s->m->count; i++)
        lstms += s->m->layers[i].kind == PSTI_KIND_lstm;
    for (uint32_t i = 0; i < s->m->count && !status; i++) {
        if (s->m->layers[i].kind != PSTI_KIND_lstm)
            continue;
        status = psti_report(s->stage, 0.1 * i / s->m->count, "errors of W_hh");
        for (int k = 0; k < CANDIDATES_HH && !status; k++) {
            psti_recipe one;
            status = psti_recipe_parse(candidates_hh[k], "format", &one);
            recipes[i].of[PSTI_ROLE_HH] = one.of[PSTI_ROLE_HH];
            if (!status)
                status = error_of(s, recipes, t, i, PSTI_ROLE_HH, &s->hh_error[i]);
            if (s->hh_error[i] * lstms <= SHARE_OF_HH * allowed(s) * allowed(s))
                break;
        }
    }
    return status;
}

/* Whether one way to hold a matrix errs no more than another for what it is: floats are not compared. */
static int is_finer(psti_held a, psti_held b) {
    const psti_encoding *x = &psti_encodings[a.encoding], *y = &psti_encodings[b.encoding];
    return x->largest && y->largest && x->bits >= y->bits && x->operand <= y->operand &&
           (a.rest >= 0 || b.rest < 0); /* operands are numbered from the finest on */
}

/* Whether something finer takes no longer, so that candidate k needs no error. */
static int is_pointless(const search *s, const on_path *part, int k) {
    for (int j = 0; j < CANDIDATES; j++)
        if (j != k && fits(s, part, j) && s->us[j] <= s->us[k] &&
            is_finer(s->recipe[j].of[PSTI_ROLE_IH], s->recipe[k].of[PSTI_ROLE_IH]))
            return 1;
    return 0;
}

static pst_status find_errors(search *s, psti_recipe *recipes, const psti_trial *t) {
    pst_status status = PST_OK;
    for (uint32_t i = 0; i < s->parts; i++)
        for (int k = 0; k < CANDIDATES && !status; k++) {
            on_path *part = &s->part[i];
            part->error[k] = INFINITY;
            if (!fits(s, part, k) || is_pointless(s, part, k))
                continue;
            hold(s, recipes, part, k);
            status = psti_report(s->stage, 0.3 + 0.3 * (i * CANDIDATES + (unsigned)k) / (s->parts * CANDIDATES),
                                 "errors of matrices");
            if (!status)
                status = error_of(s, recipes, t, part->layer, part->role, &part->error[k]);
        }
    return status;
}

/* ---- choices ------------------------------------------------------------------------------------------------------
 */

typedef struct {
    double us, error; /* predicted: of the layers so far; squared */
    unsigned char pick[PSTI_MAX_LAYERS];
} choice;

static int by_time(const void *a, const void *b) {
    const choice *x = a, *y = b;
    if (x->us != y->us)
        return x->us < y->us ? -1 : 1;
    return (x->error > y->error) - (x->error < y->error);
}

/* Leaves those that no other one beats in both, fastest first, at most MOST_CHOICES of them, evenly over the range. */
static size_t thin(choice *all, size_t n) {
    size_t kept = 0;
    double least = INFINITY;
    qsort(all, n, sizeof *all, by_time);
    for (size_t i = 0; i < n; i++)
        if (all[i].error < least) {
            least = all[i].error;
            if (kept != i)
                all[kept] = all[i];
            kept++;
        }
    for (size_t i = 0; kept > MOST_CHOICES && i < MOST_CHOICES; i++)
        all[i] = all[i * (kept - 1) / (MOST_CHOICES - 1)];
    return kept < MOST_CHOICES ? kept : MOST_CHOICES;
}

/* A matrix' part of a step's time is its part of the weights. */
static pst_status choose(search *s, choice **out, size_t *count) {
    choice *now = psti_arena_take(&s->arena, MOST_CHOICES, sizeof *now);
    choice *next = psti_arena_take(&s->arena, (size_t)MOST_CHOICES * CANDIDATES, sizeof *next);
    if (!now || !next)
        return PST_E_MEMORY;
    *count = 1;
    for (uint32_t i = 0; i < s->m->count; i++)
        now[0].error += s->hh_error[i];
    for (uint32_t part = 0; part < s->parts; part++) {
        const on_path *of = &s->part[part];
        size_t n = 0;
        for (size_t i = 0; i < *count; i++)
            for (int k = 0; k < CANDIDATES; k++) {
                if (isinf(of->error[k]))
                    continue;
                next[n] = now[i];
                next[n].us += s->us[k] * of->share;
                next[n].error += of->error[k];
                next[n++].pick[part] = (unsigned char)k;
            }
        *count = thin(next, n);
        memcpy(now, next, *count * sizeof *now);
    }
    *out = now;
    return PST_OK;
}

/* Of those that are as fast as each other leaves the one that errs least. `all` as from choose; returns how many. */
static size_t merge(choice *all, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; kept++) {
        double least = all[i].us;
        size_t last = i;
        while (last + 1 < count && all[last + 1].us <= AS_FAST * least)
            last++;
        all[kept] = all[last];
        i = last + 1;
    }
    return kept;
}

/* ---- trying them --------------------------------------------------------------------------------------------------
 */

#define FORMAT_TEXT 64
#define LAYER_TEXT 40 /* of one layer */

static void add_text(char *text, size_t n, const char *before, const char *role, const char *held) {
    size_t used = strlen(text);
    snprintf(text + used, n - used, "%s%s=%s", before, role, held);
}

/* How a layer's matrices are held, as "ih=w4r,hh=w8a16" or "linear=w8a16". */
static void add_layer(char *text, size_t n, const char *before, const on_path *part, const psti_recipe *r) {
    const psti_held *of = r->of;
    if (part->role == PSTI_ROLE_LINEAR) {
        add_text(text, n, before, "linear", psti_held_name(PSTI_ROLE_LINEAR, of[PSTI_ROLE_LINEAR]));
        return;
    }
    add_text(text, n, before, "ih", psti_held_name(PSTI_ROLE_IH, of[PSTI_ROLE_IH]));
    add_text(text, n, ",", "hh", psti_held_name(PSTI_ROLE_HH, of[PSTI_ROLE_HH]));
}

static int same_held(psti_held a, psti_held b) {
    return a.encoding == b.encoding && a.rest == b.rest;
}

/* The texts that compile to the same: how the first lstm's and the first Linear's matrices are held, and what of the
 * other layers is held otherwise. */
static void name_choice(const search *s, const psti_recipe *recipes, char *format, char *layers, size_t n) {
    const psti_recipe *first[PSTI_ROLES] = {NULL};
    format[0] = layers[0] = 0;
    for (uint32_t i = 0; i < s->parts; i++) {
        const on_path *part = &s->part[i];
        const psti_recipe *own = &recipes[part->layer], *all = first[part->role];
        char before[16];
        if (!all) {
            first[part->role] = own;
            add_layer(format, FORMAT_TEXT, *format ? "," : "", part, own);
        } else if (!same_held(own->of[part->role], all->of[part->role]) ||
                   (part->role == PSTI_ROLE_IH && !same_held(own->of[PSTI_ROLE_HH], all->of[PSTI_ROLE_HH]))) {
            snprintf(before, sizeof before, "%s%u=", *layers ? ";" : "", part->layer);
            add_layer(layers, n, before, part, own);
        }
    }
}

/* *worse: the larger of each error over the two trials. */
static pst_status certify(const search *s, pst_program *p, pst_certificate *worse) {
    pst_status status = psti_certify_both(p, s->first, s->held_back, s->o->level, &(psti_stage){0});
    *worse = p->certificate;
    if (status || !s->held_back)
        return status;
    const pst_certificate *held_back = &p->more[0];
    if (held_back->max_abs > worse->max_abs)
        worse->max_abs = held_back->max_abs;
    if (held_back->rms > worse->rms)
        worse->rms = held_back->rms;
    if (!(held_back->relative_rms <= worse->relative_rms))
        worse->relative_rms = held_back->relative_rms;
    return PST_OK;
}

static pst_status try_one(const search *s, const choice *c, psti_recipe *recipes, pst_frontier *row, psti_arena *texts,
                          pst_program **out) {
    size_t room = (size_t)s->parts * LAYER_TEXT;
    char format[FORMAT_TEXT], *layers = psti_arena_take(texts, room, 1);
    pst_certificate worse;
    if (!layers)
        return PST_E_MEMORY;
    for (uint32_t i = 0; i < s->parts; i++)
        hold(s, recipes, &s->part[i], c->pick[i]);
    name_choice(s, recipes, format, layers, room);
    psti_plan plan = {.recipes = recipes,
                      .format = format,
                      .layer_formats = *layers ? layers : NULL,
                      .calibration = psti_has_integers(recipes, s->m->count) ? s->c : NULL,
                      .nearest = is_nearest(s)};
    pst_status status = psti_build(s->m, &plan, &(psti_stage){0}, out);
    if (!status)
        status = certify(s, *out, &worse);
    if (status)
        return status;
    *row = (pst_frontier){.size = sizeof *row,
                          .format = psti_arena_string(texts, format),
                          .layer_formats = *layers ? layers : NULL,
                          .predicted_us = c->us,
                          .max_abs = worse.max_abs,
                          .rms = worse.rms,
                          .relative_rms = worse.relative_rms};
    worse.over = "calibration or held-back input";
    row->holds = psti_check_tolerance(&worse, s->o) == PST_OK;
    return row->format ? PST_OK : PST_E_MEMORY;
}

/* The first choice from `from` on that promises no more than `most`, an rms error; the last one if none does. */
static size_t next_choice(const choice *all, size_t count, size_t from, double most) {
    while (from + 1 < count && !(sqrt(all[from].error) <= most))
        from++;
    return from;
}

/* By how many times an error is above its tolerance; below 1: it holds. Infinite where it is undefined. */
static double miss_of(const search *s, const pst_frontier *row) {
    double relative = s->o->tolerance > 0 ? row->relative_rms / s->o->tolerance : 0;
    double absolute = s->o->tolerance_abs > 0 ? row->max_abs / s->o->tolerance_abs : 0;
    return isnan(relative) || isnan(absolute) ? INFINITY : fmax(relative, absolute);
}

/* What a choice must promise after one has missed the tolerance: as much less as that one missed it by. */
static double most_after(const search *s, const choice *missed, const pst_frontier *row, double most) {
    double by = miss_of(s, row);
    return isinf(by) ? most : fmin(most, sqrt(missed->error) / by);
}

/* "a relative rms error of 0.01 and a largest absolute error of 0.1", of those that have a tolerance. */
static void tell_tolerances(const search *s, char *text, size_t n) {
    char relative[48] = "", absolute[48] = "";
    if (s->o->tolerance > 0)
        snprintf(relative, sizeof relative, "a relative rms error of %g", s->o->tolerance);
    if (s->o->tolerance_abs > 0)
        snprintf(absolute, sizeof absolute, "a largest absolute error of %g", s->o->tolerance_abs);
    snprintf(text, n, "%s%s%s", relative, *relative && *absolute ? " and " : "", absolute);
}

static pst_status fail_all(const search *s, const pst_frontier *rows, uint32_t n) {
    const pst_frontier *best = &rows[0];
    char wanted[112], reached[48];
    for (uint32_t i = 1; i < n; i++)
        if (miss_of(s, &rows[i]) < miss_of(s, best))
            best = &rows[i];
    tell_tolerances(s, wanted, sizeof wanted);
    if (s->o->tolerance > 0 && s->o->tolerance_abs > 0)
        snprintf(reached, sizeof reached, "%g and %g", best->relative_rms, best->max_abs);
    else
        snprintf(reached, sizeof reached, "%g", s->o->tolerance > 0 ? best->relative_rms : best->max_abs);
    return psti_fail(PST_E_TOLERANCE,
                     (psti_where){.item = "auto", .field = s->o->tolerance > 0 ? "relative_rms" : "max_abs"},
                     "tolerance: no format tried holds %s; the best reached %s (%s%s%s, predicted %.3g us)", wanted,
                     reached, best->format, best->layer_formats ? "; layers " : "",
                     best->layer_formats ? best->layer_formats : "", best->predicted_us);
}

/* What was found of the matrices of a choice. */
static void tell_errors(const search *s, const choice *c, pst_program *p) {
    for (uint32_t i = 0; i < s->parts; i++) {
        double *error = p->layers[s->part[i].layer].error;
        error[PSTI_MATRIX_INPUT] = sqrt(s->part[i].error[c->pick[i]]);
        if (s->part[i].role == PSTI_ROLE_IH)
            error[PSTI_MATRIX_RECURRENT] = sqrt(s->hh_error[s->part[i].layer]);
    }
}

/* What was tried: rows, and which choices they are of. */
typedef struct {
    pst_frontier row[MOST_ROWS];
    size_t choice[MOST_ROWS];
    uint32_t count, chosen; /* chosen: MOST_ROWS while none holds */
} tries;

/* *out: the program of the fastest that holds, so far. */
static pst_status try_at(const search *s, const choice *all, size_t at, psti_recipe *recipes, tries *t,
                         psti_arena *texts, pst_program **out) {
    pst_program *p = NULL;
    uint32_t n = t->count;
    pst_status status = psti_report(s->stage, 0.6 + 0.4 * n / MOST_ROWS, "certifying formats");
    if (!status)
        status = try_one(s, &all[at], recipes, &t->row[n], texts, &p);
    if (!status && t->row[n].holds && (t->chosen == MOST_ROWS || at < t->choice[t->chosen])) {
        pst_program_free(*out);
        *out = p;
        p = NULL;
        t->chosen = n;
        tell_errors(s, &all[at], *out);
    }
    pst_program_free(p);
    t->choice[n] = at;
    t->count += !status;
    return status;
}

/* The fastest that promise to hold. Errors may add up to more than promised: what is tried next heeds what the ones
 * before have missed by; near the end, one that promises half of what is allowed, and then what errs least. */
static pst_status find_one(search *s, const choice *all, size_t count, psti_recipe *recipes, tries *t,
                           pst_program **out) {
    pst_status status = PST_OK;
    double most = HOPEFUL * allowed(s);
    size_t next = 0;
    while (next < count && t->count < MOST_TRIES && t->chosen == MOST_ROWS && !status) {
        if (t->count + 2 == MOST_TRIES)
            most = fmin(most, allowed(s) / 2);
        size_t at = t->count + 1 == MOST_TRIES ? count - 1 : next_choice(all, count, next, most);
        status = try_at(s, all, at, recipes, t, &s->arena, out);
        if (!status)
            most = most_after(s, &all[at], &t->row[t->count - 1], most);
        next = at + 1;
    }
    return status;
}

/* What a larger tolerance would buy, and what a smaller one costs: those that promise twice, four times, half and a
 * quarter of the error. */
static pst_status try_neighbours(search *s, const choice *all, size_t count, psti_recipe *recipes, tries *t,
                                 pst_program **out) {
    static const double factor[NEIGHBOURS] = {4, 2, 0.5, 0.25};
    pst_status status = PST_OK;
    double error = sqrt(all[t->choice[t->count - 1]].error);
    for (int i = 0; i < NEIGHBOURS && !status; i++) {
        size_t at = next_choice(all, count, 0, factor[i] * error);
        int again = 0;
        for (uint32_t n = 0; n < t->count; n++)
            again |= t->choice[n] == at;
        if (!again)
            status = try_at(s, all, at, recipes, t, &s->arena, out);
    }
    return status;
}

static int by_prediction(const void *a, const void *b) {
    double x = ((const pst_frontier *)a)->predicted_us, y = ((const pst_frontier *)b)->predicted_us;
    return (x > y) - (x < y);
}

/* Rows of what was tried, with texts that live as long as the program. */
static pst_status keep_rows(pst_program *p, const pst_frontier *rows, uint32_t n) {
    p->frontier = psti_arena_take(&p->arena, n, sizeof *p->frontier);
    if (!p->frontier)
        return PST_E_MEMORY;
    for (uint32_t i = 0; i < n; i++) {
        pst_frontier *row = &p->frontier[i];
        *row = rows[i];
        row->format = psti_arena_string(&p->arena, rows[i].format);
        if (rows[i].layer_formats)
            row->layer_formats = psti_arena_string(&p->arena, rows[i].layer_formats);
        if (!row->format || (rows[i].layer_formats && !row->layer_formats))
            return PST_E_MEMORY;
    }
    p->frontier_count = n;
    return PST_OK;
}

/* *out may be a program also where it fails. */
static pst_status try_all(search *s, const choice *all, size_t count, psti_recipe *recipes, pst_program **out) {
    tries t = {.chosen = MOST_ROWS};
    pst_status status = find_one(s, all, count, recipes, &t, out);
    if (!status)
        status = try_neighbours(s, all, count, recipes, &t, out);
    if (status)
        return status;
    int found = t.chosen < MOST_ROWS;
    if (found) {
        t.row[t.chosen].chosen = 1;
        for (uint32_t i = 0; i < s->parts; i++)
            hold(s, recipes, &s->part[i], all[t.choice[t.chosen]].pick[i]);
    }
    qsort(t.row, t.count, sizeof *t.row, by_prediction);
    for (uint32_t i = 0; i < t.count && s->o->tried; i++)
        s->o->tried(s->o->user, &t.row[i]);
    return found ? keep_rows(*out, t.row, t.count) : fail_all(s, t.row, t.count);
}

/* ---- the whole ----------------------------------------------------------------------------------------------------
 */

/* How much y moves over a trial; a failure if it does not and the tolerance is relative to that. */
static pst_status find_moves(const search *s, const psti_trial *t, double *moves) {
    double largest;
    pst_status status = psti_constant_errors(t, s->m->outputs, moves, &largest);
    if (!status && s->o->tolerance > 0 && !(*moves > 0))
        status = psti_fail(PST_E_TOLERANCE, (psti_where){.item = "auto", .field = "relative_rms"},
                           "tolerance: relative rms error is undefined, y is constant over the %s; give an absolute "
                           "tolerance",
                           psti_over_name((uint32_t)t->over));
    return status;
}

static pst_status prepare(search *s) {
    double other;
    pst_status status = find_moves(s, s->first, &s->moves);
    if (!status && s->held_back)
        status = find_moves(s, s->held_back, &other);
    if (status)
        return status;
    uint32_t count = s->m->count;
    double all = 0;
    s->part = psti_arena_take(&s->arena, count, sizeof *s->part);
    s->hh_error = psti_arena_take(&s->arena, count, sizeof *s->hh_error);
    if (!s->part || !s->hh_error)
        return PST_E_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        const psti_layer *layer = &s->m->layers[i];
        int lstm = layer->kind == PSTI_KIND_lstm;
        if (!lstm && layer->kind != PSTI_KIND_linear)
            continue;
        on_path *part = &s->part[s->parts++];
        *part = (on_path){.layer = i, .role = lstm ? PSTI_ROLE_IH : PSTI_ROLE_LINEAR};
        part->share = (double)layer->inputs * layer->outputs * (lstm ? 4 : 1);
        all += part->share;
    }
    for (uint32_t i = 0; i < s->parts; i++) /* every model has a matrix */
        s->part[i].share /= all;
    for (int k = 0; k < CANDIDATES && !status; k++)
        status = psti_recipe_parse(candidates[k], "format", &s->recipe[k]);
    return status;
}

static pst_status run(search *s, psti_recipe *recipes, pst_program **out) {
    psti_trial short_one = *s->first; /* its first steps */
    choice *all;
    size_t count;
    if (short_one.data.steps > ERROR_STEPS) {
        short_one.data.steps = ERROR_STEPS;
        short_one.data.sequences = 1;
    }
    pst_status status = prepare(s);
    if (!status)
        status = hold_hh(s, recipes, &short_one);
    if (!status)
        status = time_candidates(s, recipes);
    if (!status)
        status = find_errors(s, recipes, &short_one);
    if (!status)
        status = choose(s, &all, &count);
    return status ? status : try_all(s, all, merge(all, count), recipes, out);
}

pst_status psti_search(const pst_model *m, const psti_calibration *c, const psti_trial *first,
                       const psti_trial *held_back, const pst_compile_options *o, const psti_stage *stage,
                       psti_recipe *recipes, pst_program **out) {
    search s = {.m = m, .c = c, .first = first, .held_back = held_back, .o = o, .stage = stage};
    pst_status status = run(&s, recipes, out);
    psti_arena_free(&s.arena);
    return status;
}

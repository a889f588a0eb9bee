/* Cores needed: see needed.h. */
#include "lab/needed.h"

#include <math.h>
#include <string.h>

#include "lab/estimate.h"
#include "lab/figures.h"
#include "lab/grid.h"
#include "lab/prose.h"

int lab_needed_of(const pst_program *p, const pst_host *host, double hop_ns, double clock_us, double factor,
                  double below_us, lab_needed *out) {
    *out = (lab_needed){0, NAN};
    for (uint32_t cores = 1; cores <= LAB_NEEDED_MOST; cores++) {
        lab_estimate e;
        if (lab_estimate_of(p, host, cores, hop_ns, clock_us, &e))
            return -1;
        if (factor * e.floor_us < below_us) {
            *out = (lab_needed){cores, factor * e.floor_us};
            return 0;
        }
    }
    return 0;
}

int lab_needed_base(const lab_bench *b, const lab_program *p, double *hop_ns, double *factor) {
    uint32_t most = 0, most_of_any = 1;
    for (uint32_t i = 0; i < b->cell_count; i++) {
        const lab_cell *cell = &b->cells[i];
        lab_figures f;
        lab_figures_of(b, cell, &f);
        int own = cell->program == p && isfinite(f.over_floor);
        if (own && cell->cores > most) {
            most = cell->cores;
            *factor = f.over_floor;
        }
        /* the hop is the machine's: where this program has none on several cores, another's */
        if (isfinite(f.hop_us) && (cell->program == p || most_of_any == 1) && cell->cores > 1) {
            most_of_any = cell->cores;
            *hop_ns = 1e3 * f.hop_us;
        }
    }
    return most > 0 && most_of_any > 1;
}

/* "2 (3.9)", or "-" where no number of cores is enough. */
static int put(lab_grid *g, const lab_bench *b, const lab_program *p, double hop_ns, double factor, double below_us) {
    lab_needed n;
    if (lab_needed_of(lab_program_of(p), &b->host, hop_ns, b->clock.pair_us, factor, below_us, &n))
        return -1;
    if (n.cores)
        lab_grid_text(g, "%u (%.3g)", n.cores, n.us);
    else
        lab_grid_text(g, "-");
    return 0;
}

static int fill(lab_grid *g, const lab_bench *b, const lab_anchors *a, const lab_program *p) {
    double hop_ns, factor;
    if (!lab_needed_base(b, p, &hop_ns, &factor) || !lab_grid_row(g))
        return 0;
    lab_grid_text(g, "%.20s", lab_program_name(p));
    lab_grid_text(g, "%.*s", LAB_FORMAT_CELL, p->format);
    lab_grid_fixed(g, 0, hop_ns);
    lab_grid_fixed(g, 2, factor);
    for (size_t k = 0; k < a->columns; k++) {
        double below = lab_anchors_figure(a, k, p->subject->name, "mean_us");
        for (int measured = 0; measured < 2; measured++)
            if (isfinite(below) ? put(g, b, p, hop_ns, measured ? factor : 1, below) : (lab_grid_text(g, "-"), 0))
                return -1;
    }
    return 0;
}

/* 1 if a program of this run stands beside a mean of this column. */
static int is_wanted(const lab_bench *b, const lab_anchors *a, size_t column) {
    int wanted = 0;
    for (uint32_t i = 0; i < b->program_count; i++)
        wanted |= isfinite(lab_anchors_figure(a, column, b->programs[i].subject->name, "mean_us"));
    return wanted;
}

int lab_needed_print(const lab_bench *b, const lab_anchors *all, int markdown, FILE *to) {
    char headings[512] = "model|format|hop ns|p50/floor";
    lab_anchors a = {0};
    lab_grid g;
    for (size_t k = 0; k < all->columns; k++) {
        size_t used = strlen(headings);
        if (!is_wanted(b, all, k))
            continue;
        snprintf(headings + used, sizeof headings - used, "|< %s: floor|as here", all->column[k].heading);
        a.column[a.columns++] = all->column[k];
    }
    if (!a.columns)
        return 0;
    if (lab_grid_open(&g, headings))
        return -1;
    for (uint32_t i = 0; i < b->program_count; i++)
        if (fill(&g, b, &a, &b->programs[i])) {
            lab_grid_close(&g);
            return -1;
        }
    if (g.rows > 1) {
        fprintf(to, "Cores that it takes to be below another system's mean (and the us they take)%s\n\n",
                markdown ? ":" : "");
        lab_grid_print(&g, 2, markdown, to);
        fprintf(to, "\n");
        lab_prose(
            markdown, to,
            "An estimate, not a measurement: the fewest of 1 to %d cores whose floor is below it, by arithmetic "
            "from the bandwidths above and the hop of the row, as if every core had them; -: no number is enough, "
            "as the hops alone stay. as here: the same with each floor times the row's p50/floor, as it was "
            "measured on the most cores of this run.",
            LAB_NEEDED_MOST);
        fprintf(to, markdown ? "" : "\n");
    }
    lab_grid_close(&g);
    return 0;
}

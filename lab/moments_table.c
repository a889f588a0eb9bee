/* Steps at a bad moment as text: see moments_table.h. */
#include "lab/moments_table.h"

#include <inttypes.h>

#include "lab/figures.h"
#include "lab/grid.h"
#include "lab/prose.h"

/* What a table shows of a cell, behind its name, format and number of cores. */
typedef void row(lab_grid *g, const lab_cell *cell, const lab_figures *f);

static int print(const lab_bench *b, const char *title, const char *headings, row *fill, const char *about,
                 int markdown, FILE *to) {
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
        fill(&g, cell, &f);
    }
    fprintf(to, "%s%s\n\n", title, markdown ? ":" : "");
    lab_grid_print(&g, 2, markdown, to);
    lab_grid_close(&g);
    fprintf(to, "\n");
    lab_prose(markdown, to, "%s", about);
    fprintf(to, markdown ? "" : "\n");
    return 0;
}

static void second(lab_grid *g, const lab_cell *cell, const lab_figures *f) {
    lab_grid_text(g, "%" PRIu64, cell->second.count);
    lab_grid_fixed(g, 2, f->second_p50_us);
    lab_grid_fixed(g, 2, f->second_p99_us);
    lab_grid_fixed(g, 2, f->interval_us);
    lab_grid_fixed(g, 2, f->second_over);
}

static void other(lab_grid *g, const lab_cell *cell, const lab_figures *f) {
    lab_grid_text(g, "%" PRIu64, cell->interfered.count);
    lab_grid_fixed(g, 2, f->p50_us);
    lab_grid_fixed(g, 2, f->p99_us);
    lab_grid_fixed(g, 2, f->other_p50_us);
    lab_grid_fixed(g, 2, f->other_p99_us);
    lab_grid_fixed(g, 2, f->twin_p99_us - f->twin_p50_us);
    lab_grid_fixed(g, 2, f->other_excess_us);
}

static void silent(lab_grid *g, const lab_cell *cell, const lab_figures *f) {
    lab_grid_text(g, "%" PRIu64, cell->silent[1].count);
    lab_grid_fixed(g, 2, f->p50_us);
    for (int warm = 0; warm < 2; warm++) {
        lab_grid_fixed(g, 2, f->silent_p50_us[warm]);
        lab_grid_fixed(g, 2, f->silent_over[warm]);
    }
}

int lab_moments_print(const lab_bench *b, int markdown, FILE *to) {
    const lab_options *o = b->options;
    int result = 0;
    if (o->burst > 1)
        result =
            print(b, "The second step of a burst, in us", "model|format|cores|n|p50|p99|interval|p50/interval", second,
                  "Its input is there when the first step's answer is: it waits for the settle in between. "
                  "interval: respond and settle, back to back, median, in the same rounds.",
                  markdown, to);
    if (!result && o->streams > 1)
        result = print(b, "A step on another stream, at a random moment of a settle, in us",
                       "model|format|cores|n|respond p50|respond p99|p50|p99|twin tail|excess", other,
                       "From its arrival to y; the caller settles one unit a call. respond: the steps above. "
                       "twin tail: the twin's p99 - p50, the machine's own. excess: p99 - respond p50 - twin tail.",
                       markdown, to);
    if (!result && o->silence_ms > 0)
        result =
            print(b, "A step after a silence, in us", "model|format|cores|n|p50|cold p50|/ p50|warm p50|/ p50", silent,
                  "p50: of the steps above. cold: without pst_warm; warm: with pst_warm right before the step, in "
                  "turn. On several cores the engine's threads rehearse by themselves in both. n of each.",
                  markdown, to);
    return result;
}

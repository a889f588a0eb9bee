/* The run as a picture: see plot.h. One row a cell; the height of a bar is the logarithm of the count, so that one slow
 * step among 50,000 is still seen. */
#include "lab/plot.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "lab/figures.h"

enum {
    LEFT = 170,  /* names */
    PANEL = 640, /* distributions */
    RIGHT = 190, /* figures */
    TOP = 92,    /* title and legend */
    ROW = 58,    /* of which BARS are bars */
    BARS = 46,   /* */
    BOTTOM = 48, /* axis */
    BAR = 2,     /* width of one bar */
    BINS = PANEL / BAR,
    FORMAT_MOST = 14 /* characters of a format that there is room for left of the panel */
};

#define STEP_COLOUR "#2b6cb0"
#define TWIN_COLOUR "#d97706"
#define FLOOR_COLOUR "#15803d"
static const char *const anchor_colours[] = {"#9d174d", "#6d28d9", "#57534e"};
enum { ANCHOR_COLOURS = sizeof anchor_colours / sizeof *anchor_colours };

/* The axis: from `least` us, PANEL pixels for `decades`. */
typedef struct {
    double least, decades;
} axis;

static double place(const axis *x, double us) {
    double at = PANEL * (log10(us) - log10(x->least)) / x->decades;
    return at < 0 ? 0 : at > PANEL ? PANEL : at;
}

static double centre(const lab_anchors *a, size_t column, const char *model) {
    double mean = lab_anchors_figure(a, column, model, "mean_us");
    return isnan(mean) ? lab_anchors_figure(a, column, model, "p50_us") : mean;
}

/* Holds every sample, floor and anchor; at least a decade. */
static axis find_axis(const lab_bench *b, const lab_anchors *a) {
    double least = INFINITY, most = 0;
    for (uint32_t i = 0; i < b->cell_count; i++) {
        const lab_cell *cell = &b->cells[i];
        lab_figures f;
        lab_figures_of(b, cell, &f);
        least = fmin(least, fmin(f.floor_us, lab_us(&b->clock, lab_histogram_at(&cell->step, 0))));
        most = fmax(most, fmax(f.max_us, lab_us(&b->clock, cell->twin.largest)));
        for (size_t k = 0; k < a->columns; k++) {
            double us = centre(a, k, cell->program->subject->name);
            least = isnan(us) ? least : fmin(least, us);
            most = isnan(us) ? most : fmax(most, us);
        }
    }
    axis x = {.least = 0.9 * least};
    x.decades = fmax(1, log10(1.1 * most / x.least));
    return x;
}

static void fill_bins(const lab_bench *b, const lab_histogram *h, const axis *x, uint64_t bins[BINS]) {
    memset(bins, 0, BINS * sizeof *bins);
    for (uint32_t i = 0; i < LAB_HISTOGRAM_CLASSES; i++) {
        if (!h->in[i])
            continue;
        /* The last class has no upper bound; the largest sample is one. */
        double middle = 0.5 * ((double)lab_class_first(i) +
                               (double)(lab_class_last(i) < h->largest ? lab_class_last(i) : h->largest));
        int bin = (int)(place(x, middle / b->clock.ticks_per_us) / BAR);
        bins[bin < BINS ? bin : BINS - 1] += h->in[i];
    }
}

static double height(uint64_t count, uint64_t most) {
    return count ? BARS * log(1 + (double)count) / log(1 + (double)most) : 0;
}

static void print_bars(const uint64_t bins[BINS], uint64_t most, double base, FILE *to) {
    fprintf(to, "<path fill=\"" STEP_COLOUR "\" fill-opacity=\"0.75\" d=\"");
    for (int i = 0; i < BINS; i++)
        if (bins[i])
            fprintf(to, "M%d %.1fv%.1fh%dv%.1fz", LEFT + BAR * i, base, -height(bins[i], most), BAR,
                    height(bins[i], most));
    fprintf(to, "\"/>\n");
}

static void print_outline(const uint64_t bins[BINS], uint64_t most, double base, FILE *to) {
    fprintf(to, "<path fill=\"none\" stroke=\"" TWIN_COLOUR "\" stroke-width=\"1.2\" d=\"M%d %.1f", LEFT, base);
    double last = 0;
    for (int i = 0; i < BINS; i++) {
        double now = height(bins[i], most);
        if (now != last)
            fprintf(to, "H%dV%.1f", LEFT + BAR * i, base - now);
        last = now;
    }
    fprintf(to, "H%dV%.1f\"/>\n", LEFT + PANEL, base);
}

static void print_line(const axis *x, double us, double from, double to_y, const char *colour, const char *dash,
                       FILE *to) {
    if (isfinite(us) && us > 0)
        fprintf(to,
                "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"1.5\"%s%s%s/>\n",
                LEFT + place(x, us), LEFT + place(x, us), from, to_y, colour, *dash ? " stroke-dasharray=\"" : "", dash,
                *dash ? "\"" : "");
}

/* At most so many characters of a text, with what XML would read as its own replaced. */
static void print_text(const char *text, size_t most, FILE *to) {
    for (; *text && most; text++, most--) {
        if (*text == '&' || *text == '<' || *text == '>')
            fprintf(to, "&#%d;", *text);
        else
            putc((unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e ? '?' : *text, to);
    }
}

static void print_row(const lab_bench *b, const lab_anchors *a, const lab_cell *cell, const axis *x, double top,
                      FILE *to) {
    uint64_t steps[BINS], twins[BINS], most = 1;
    lab_figures f;
    const char *slash = strrchr(cell->program->subject->name, '/');
    const double base = top + BARS;
    lab_figures_of(b, cell, &f);
    fill_bins(b, &cell->step, x, steps);
    fill_bins(b, &cell->twin, x, twins);
    for (int i = 0; i < BINS; i++) {
        most = steps[i] > most ? steps[i] : most;
        most = twins[i] > most ? twins[i] : most;
    }
    fprintf(to, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\" font-weight=\"bold\">", LEFT - 10, base - 18);
    print_text(slash ? slash + 1 : cell->program->subject->name, SIZE_MAX, to);
    fprintf(to, "</text>\n<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">", LEFT - 10, base - 4);
    print_text(cell->program->format, FORMAT_MOST, to);
    fprintf(to, ", %u core%s%s</text>\n", cell->cores, cell->cores > 1 ? "s" : "", cell->best ? ", best" : "");
    fprintf(to, "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#999\"/>\n", LEFT, LEFT + PANEL, base,
            base);
    print_bars(steps, most, base, to);
    print_outline(twins, most, base, to);
    print_line(x, f.floor_us, top, base, FLOOR_COLOUR, "", to);
    for (size_t k = 0; k < a->columns; k++)
        print_line(x, centre(a, k, cell->program->subject->name), top + 12, base, anchor_colours[k % ANCHOR_COLOURS],
                   "3 2", to);
    fprintf(to, "<text x=\"%d\" y=\"%.1f\">p50 %.2f, p99 %.2f us</text>\n", LEFT + PANEL + 10, base - 18, f.p50_us,
            f.p99_us);
    fprintf(to, "<text x=\"%d\" y=\"%.1f\">max %.1f us%s</text>\n", LEFT + PANEL + 10, base - 4, f.max_us,
            f.saturated ? ", saturated" : "");
}

/* Lines at 1, 2 and 5 of every decade, numbered below. */
static void print_axis(const axis *x, double bottom, FILE *to) {
    static const double marks[] = {1, 2, 5};
    for (int decade = (int)floor(log10(x->least)); decade <= (int)ceil(log10(x->least) + x->decades); decade++) {
        for (int k = 0; k < 3; k++) {
            double us = marks[k] * pow(10, decade);
            if (us < x->least || us > x->least * pow(10, x->decades))
                continue;
            double at = LEFT + place(x, us);
            fprintf(to, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%.1f\" stroke=\"#e5e5e5\"/>\n", at, at, TOP - 8,
                    bottom);
            if (k == 0 || x->decades < 5)
                fprintf(to, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%g</text>\n", at, bottom + 16, us);
        }
    }
    fprintf(to,
            "<text x=\"%d\" y=\"%.1f\" text-anchor=\"middle\">latency of a step in us, logarithmic; height: "
            "logarithm of the number of steps</text>\n",
            LEFT + PANEL / 2, bottom + 36);
}

static double print_key(double x, const char *colour, const char *dash, const char *text, FILE *to) {
    fprintf(to,
            "<line x1=\"%.0f\" x2=\"%.0f\" y1=\"66\" y2=\"66\" stroke=\"%s\" stroke-width=\"%d\" "
            "stroke-dasharray=\"%s\"/>\n<text x=\"%.0f\" y=\"70\">",
            x, x + 18, colour, *dash ? 2 : 4, *dash ? dash : "none", x + 23);
    print_text(text, SIZE_MAX, to);
    fprintf(to, "</text>\n");
    return x + 45 + 6.2 * (double)strlen(text);
}

void lab_plot_print(const lab_bench *b, const lab_anchors *a, FILE *to) {
    const axis x = find_axis(b, a);
    const double bottom = TOP + (double)ROW * b->cell_count;
    const int width = LEFT + PANEL + RIGHT;
    fprintf(to,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %.0f\" font-family=\"sans-serif\" "
            "font-size=\"12\" fill=\"#222\">\n<rect width=\"%d\" height=\"%.0f\" fill=\"#fff\"/>\n",
            width, bottom + BOTTOM, width, bottom + BOTTOM);
    fprintf(to,
            "<text x=\"20\" y=\"24\" font-size=\"16\" font-weight=\"bold\">Penstock %s: latency of one step</text>\n",
            pst_version());
    fprintf(to, "<text x=\"20\" y=\"44\">");
    print_text(b->host.cpu, SIZE_MAX, to);
    fprintf(to, "%s, level %s, %s; ", b->host.virtualised ? " (virtual machine)" : "", b->cells[0].level, b->date);
    if (b->options->burst > 1)
        fprintf(to, "bursts of %u; ", b->options->burst);
    fprintf(to, "steps %g us apart; hiccups of 10 us or more: %" PRIu64 " in %.2f s</text>\n", b->options->spacing_us,
            b->host.hiccups_10us, b->host.hiccup_seconds);
    double at = print_key(20, STEP_COLOUR, "", "step", to);
    at = print_key(at, TWIN_COLOUR, "", "twin (registers only)", to);
    at = print_key(at, FLOOR_COLOUR, "", "floor", to);
    for (size_t k = 0; k < a->columns; k++)
        at = print_key(at, anchor_colours[k % ANCHOR_COLOURS], "3 2", a->column[k].heading, to);
    print_axis(&x, bottom, to);
    for (uint32_t i = 0; i < b->cell_count; i++)
        print_row(b, a, &b->cells[i], &x, TOP + (double)ROW * i, to);
    fprintf(to, "</svg>\n");
}

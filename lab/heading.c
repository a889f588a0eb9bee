/* What stands above the tables: see heading.h. */
#include "lab/heading.h"

#include <inttypes.h>
#include <math.h>

#include "lab/figures.h"

/* A clock that ran this much faster or slower over the run than at its calibration is worth a line. */
#define DRIFT_WORTH_SAYING 1e-3

/* 1048576 as "1 MiB", in one of a few static buffers. */
static const char *bytes(uint64_t n) {
    static char buffers[4][32];
    static int turn;
    char *text = buffers[turn++ & 3];
    if (n >= 1 << 20)
        snprintf(text, sizeof buffers[0], "%.4g MiB", (double)n / (1 << 20));
    else
        snprintf(text, sizeof buffers[0], "%.4g KiB", (double)n / 1024);
    return text;
}

static void print_cache(const char *name, uint64_t n, double gbs, FILE *to) {
    if (n)
        fprintf(to, "; %s %s, %.0f GB/s", name, bytes(n), gbs);
}

static void print_levels(const lab_bench *b, FILE *to) {
    const char *const *names;
    size_t count;
    pst_levels(&names, &count);
    fprintf(to, "levels here:");
    for (size_t i = 0; i < count; i++)
        fprintf(to, " %s", names[i]);
    fprintf(to, "; used: %s", b->cells[0].level);
    if (b->options->level)
        fprintf(to, " (at most %s was asked for)", b->options->level);
}

static void print_hiccups(const pst_host *h, FILE *to) {
    fprintf(to,
            "hiccups: in %.2f s of only reading the clock, %" PRIu64 " gaps of 1 us or more, %" PRIu64
            " of 10, %" PRIu64 " of 100; the longest %.1f us; %.3g %% of the time lost",
            h->hiccup_seconds, h->hiccups_1us, h->hiccups_10us, h->hiccups_100us, h->hiccup_max_us,
            100 * h->hiccup_share);
}

static void print_pace(const lab_bench *b, FILE *to) {
    const lab_options *o = b->options;
    fprintf(to, "timing: x in the caller's buffer to y there, by %s at %.1f MHz; a pair of readings takes %.1f ns, ",
            b->clock.name, b->clock.ticks_per_us, 1e3 * b->clock.pair_us);
    fprintf(to, "which stays in. ");
    if (o->burst > 1)
        fprintf(to, "Bursts of %u steps back to back, %g us apart on average", o->burst, o->spacing_us);
    else
        fprintf(to, "Steps %g us apart", o->spacing_us);
    if (o->streams > 1)
        fprintf(to, ", after each one on another stream");
    if (o->disturb_bytes && o->silence_ms == 0)
        fprintf(to, ", %s written between them", bytes(o->disturb_bytes));
    if (o->silence_ms > 0)
        fprintf(to, "; silences of %g ms", o->silence_ms);
    if (o->disturb_bytes && o->silence_ms > 0)
        fprintf(to, ", %s written in each", bytes(o->disturb_bytes));
    fprintf(to, "; inputs %s; seed %" PRIu64, o->input.name, o->seed);
    if (fabs(b->drift) > DRIFT_WORTH_SAYING)
        fprintf(to, "; the counter's rate moved by %.2g %% in this run: figures are that uncertain", 100 * b->drift);
}

void lab_heading_print(const lab_bench *b, int markdown, FILE *to) {
    const char *begin = markdown ? "- " : "", *end = "\n";
    const pst_host *h = &b->host;
    char system[256];
    lab_system(system, sizeof system);
    fprintf(to, "%smachine: %s, %u logical CPUs%s", begin, h->cpu, h->logical_cpus,
            h->virtualised ? ", a virtual machine" : "");
    print_cache("L1d", h->l1d_bytes, h->l1_gbs, to);
    print_cache("L2", h->l2_bytes, h->l2_gbs, to);
    print_cache("L3", h->l3_bytes, h->l3_gbs, to);
    fprintf(to, "%s%s", end, begin);
    print_levels(b, to);
    fprintf(to, "%s%s", end, begin);
    fprintf(to, "penstock %s, %s; %s; %s", pst_version(), lab_compiler(), system, b->date);
    fprintf(to, "%s%s", end, begin);
    print_hiccups(h, to);
    fprintf(to, "%s%s", end, begin);
    print_pace(b, to);
    fprintf(to, "\n\n");
}

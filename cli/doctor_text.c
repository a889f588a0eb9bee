/* What doctor found, as text. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "doctor.h"
#include "host_file.h"
#include "output.h"

/* More pairs than this are a matrix of medians; JSON has them all. */
enum { PAIRS_LISTED = 28, WIDTH = 100 };

static void print_cache(const char *name, uint64_t bytes, double gbs) {
    if (!bytes)
        printf("; %s unknown", name);
    else if (bytes >= 4 << 20)
        printf("; %s %" PRIu64 " MiB, %.0f GB/s", name, bytes >> 20, gbs);
    else
        printf("; %s %" PRIu64 " KiB, %.0f GB/s", name, bytes >> 10, gbs);
}

static void print_host(const doctor *d) {
    const pst_host *h = &d->host;
    char list[128];
    host_ranges(d->pairs.cpus, d->pairs.cpu_count, list, sizeof list);
    printf("%s, CPU%s %s", h->cpu[0] ? h->cpu : "unknown processor", d->pairs.cpu_count == 1 ? "" : "s", list);
    print_cache("L1d", h->l1d_bytes, h->l1_gbs);
    print_cache("L2", h->l2_bytes, h->l2_gbs);
    print_cache("L3", h->l3_bytes, h->l3_gbs);
    printf("\n");
}

static void print_facts(const host_facts *f) {
    printf("\n%-8s %-22s %s\n", "", "what", "found");
    for (uint32_t i = 0; i < f->count; i++)
        printf("%-8s %-22s %s\n", host_judgement(f->fact[i].judgement), f->fact[i].name, f->fact[i].found);
}

static void print_changes(const host_facts *f) {
    int n = 0;
    for (int judgement = FACT_BAD; judgement >= FACT_NOTE; judgement--) /* what matters most first */
        for (uint32_t i = 0; i < f->count; i++) {
            const host_fact *fact = &f->fact[i];
            if (fact->judgement != judgement || !fact->change[0])
                continue;
            if (!n++)
                printf("\nwhat to change\n");
            printf("%2d. %s: %s\n      %s\n", n, fact->name, fact->effect, fact->change);
        }
    if (!n)
        printf("\nnothing to change\n");
}

static void print_list(const host_pairs *p) {
    printf("\nhops, one way, ns\n%5s %5s %9s %9s %9s %9s %9s\n", "CPU", "CPU", "p50", "p99", "p99.9", "max", "shared");
    for (size_t i = 0; i < p->count; i++) {
        const host_pair *pair = &p->pair[i];
        printf("%5u %5u", pair->a, pair->b);
        if (pair->has_hop)
            printf(" %9.0f %9.0f %9.0f %9.0f", pair->hop.p50_ns, pair->hop.p99_ns, pair->hop.p999_ns, pair->hop.max_ns);
        else
            printf(" %9s %9s %9s %9s", "-", "-", "-", "-");
        if (pair->has_sharing)
            printf(" %8.2fx", pair->sharing.slowdown);
        printf("\n");
    }
    printf("shared: how much longer work takes on one while the other works too; near 2 on two threads of one core\n");
}

static void print_matrix(const host_pairs *p) {
    printf("\nhops, one way, ns, medians; --json has every distribution\n%5s", "CPU");
    for (size_t j = 1; j < p->cpu_count; j++)
        printf(" %4u", p->cpus[j]);
    const host_pair *pair = p->pair;
    for (size_t i = 0; i + 1 < p->cpu_count; i++) {
        printf("\n%5u", p->cpus[i]);
        for (size_t j = 1; j < p->cpu_count; j++)
            if (j <= i)
                printf(" %4s", "");
            else if (pair++->has_hop)
                printf(" %4.0f", pair[-1].hop.p50_ns);
            else
                printf(" %4s", "-");
    }
    printf("\n");
}

static void print_estimate(const lab_estimate *e) {
    if (isnan(e->floor_us))
        printf(" %5s %9s  %-12s", "-", "-", "unknown");
    else
        printf(" %5u %9.2f  %-12s", e->cores, e->floor_us, e->limit);
}

static void print_estimates(const doctor *d) {
    printf("\nlatency to expect: floors in us, by arithmetic from the figures above\n%-9s %-6s %5s %9s  %-12s %5s %9s  "
           "%s\n",
           "model", "format", "cores", "floor", "limited by", "cores", "floor", "limited by");
    for (int i = 0; i < DOCTOR_MODELS * DOCTOR_FORMATS; i++) {
        printf("%-9s %-6s", d->row[i].model, d->row[i].format);
        print_estimate(&d->row[i].one);
        if (d->row[i].best.cores > 1)
            print_estimate(&d->row[i].best);
        printf("\n");
    }
    printf("A step takes at least its floor; penstock bench measures how much longer.\n");
}

/* Wrapped at blanks. */
static void print_wrapped(const char *text) {
    int column = 0;
    while (*text) {
        int n = (int)strcspn(text, " ");
        if (column && column + 1 + n > WIDTH) {
            printf("\n");
            column = 0;
        }
        column += printf("%s%.*s", column ? " " : "", n, text);
        text += n;
        text += strspn(text, " ");
    }
    printf("\n");
}

void doctor_print(const doctor *d) {
    print_host(d);
    print_facts(&d->facts);
    print_changes(&d->facts);
    if (d->pairs.count && d->pairs.count <= PAIRS_LISTED)
        print_list(&d->pairs);
    else if (d->pairs.count)
        print_matrix(&d->pairs);
    if (d->pairs.problem[0])
        printf("not everything could be measured: %s\n", d->pairs.problem);
    print_estimates(d);
    printf("\n");
    char verdict[sizeof d->verdict + 16];
    snprintf(verdict, sizeof verdict, "verdict: %s", d->verdict);
    print_wrapped(verdict);
}

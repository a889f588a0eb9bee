/* What doctor makes of what it measured: facts, estimates, and the verdict. */
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "commands.h"
#include "doctor.h"
#include "host_file.h"
#include "lab/error.h"
#include "output.h"

/* A line that is no longer than others between cores of one L3 takes; beyond, an exchange a layer shows at tiny. */
#define NEAR_NS 150
/* A hiccup of this length is longer than most steps. */
#define LONG_US 10.0

static void hiccups(doctor *d) {
    const pst_host *h = &d->host;
    double a_second = (double)h->hiccups_10us / h->hiccup_seconds;
    int judgement = h->hiccup_max_us < LONG_US                          ? FACT_OK
                    : h->hiccup_max_us < 100 && h->hiccup_share < 0.001 ? FACT_NOTE
                                                                        : FACT_BAD;
    host_fact *fact = host_fact_add(&d->facts, "hiccups", judgement,
                                    "%.3g a second of 10 us or more, the longest %.0f us, %.2g %% lost", a_second,
                                    h->hiccup_max_us, 100 * h->hiccup_share);
    if (judgement != FACT_OK)
        host_fact_change(fact, "a step that meets one takes that much longer",
                         "isolate the cores of the engine, as above; stop what else runs");
}

static void shared_cores(doctor *d) {
    const host_pairs *p = &d->pairs;
    double most = 0;
    size_t tested = 0, shared = 0;
    for (size_t i = 0; i < p->count; i++) {
        if (!p->pair[i].has_sharing)
            continue;
        tested++;
        shared += p->pair[i].sharing.slowdown >= HOST_SHARED;
        most = fmax(most, p->pair[i].sharing.slowdown);
    }
    if (!tested) {
        host_fact_add(&d->facts, "shared cores", p->count ? FACT_UNKNOWN : FACT_OK, "%s",
                      p->count ? "unknown" : "one CPU");
        return;
    }
    host_fact *fact =
        host_fact_add(&d->facts, "shared cores", shared ? FACT_NOTE : FACT_OK,
                      "measured: %zu of %zu pairs; both at once take up to %.2f times as long", shared, tested, most);
    if (!shared)
        return;
    char list[128];
    uint32_t cpus[256];
    size_t n = 0;
    for (; n < p->own_count && n < 256; n++)
        cpus[n] = p->cpus[p->own[n]];
    host_ranges(cpus, n, list, sizeof list);
    host_fact_change(fact, "two threads of one core halve each other: an engine should have one of them only",
                     "taskset -c %s PROGRAM", list);
}

static void hops(doctor *d) {
    const host_pairs *p = &d->pairs;
    double least = INFINITY, most = 0;
    for (size_t i = 0; i < p->count; i++)
        if (p->pair[i].has_hop) {
            least = fmin(least, p->pair[i].hop.p50_ns);
            most = fmax(most, p->pair[i].hop.p50_ns);
        }
    if (!isfinite(least)) {
        host_fact_add(&d->facts, "hop", p->count ? FACT_UNKNOWN : FACT_OK, "%s", p->count ? "unknown" : "one CPU");
        return;
    }
    host_fact *fact = host_fact_add(&d->facts, "hop", most < NEAR_NS ? FACT_OK : FACT_NOTE,
                                    "%.0f to %.0f ns from CPU to CPU, medians", least, most);
    if (most >= NEAR_NS)
        host_fact_change(fact, "an engine of many cores waits for a hop once a layer, and once more",
                         "give an engine CPUs that are near each other: see the hops below");
}

void doctor_judge(doctor *d) {
    hiccups(d);
    shared_cores(d);
    hops(d);
}

static void say(char *text, size_t n, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void say(char *text, size_t n, const char *format, ...) {
    size_t used = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, n - used, format, arguments);
    va_end(arguments);
}

/* "bf16 tiny 2.5 on 1, ..." for one format. */
static void say_expected(const doctor *d, int format, char *text, size_t n) {
    say(text, n, "%s ", d->row[format].format);
    for (int i = 0; i < DOCTOR_MODELS; i++) {
        const doctor_row *row = &d->row[i * DOCTOR_FORMATS + format];
        say(text, n, "%s%s %.*f on %u", i ? ", " : "", row->model, row->best.floor_us < 9.95 ? 1 : 0,
            row->best.floor_us, row->best.cores);
    }
}

static void say_limits(const doctor *d, char *text, size_t n) {
    const char *said[DOCTOR_MODELS * DOCTOR_FORMATS];
    int count = 0;
    for (int i = 0; i < DOCTOR_MODELS * DOCTOR_FORMATS; i++) {
        int known = 0;
        for (int j = 0; j < count; j++)
            known |= strcmp(said[j], d->row[i].best.limit) == 0;
        if (known)
            continue;
        say(text, n, "%s%s", count ? ", " : "", d->row[i].best.limit);
        said[count++] = d->row[i].best.limit;
    }
}

static void conclude(doctor *d) {
    char *text = d->verdict;
    const size_t n = sizeof d->verdict;
    const pst_host *h = &d->host;
    text[0] = 0;
    if (isnan(d->row[0].one.floor_us)) {
        say(text, n, "no estimate: this host tells no cache sizes");
    } else {
        say(text, n, "expect at least, in us on so many cores: ");
        say_expected(d, 0, text, n);
        say(text, n, "; ");
        say_expected(d, 1, text, n);
        say(text, n, ". Limited by ");
        say_limits(d, text, n);
    }
    if (d->cores < d->pairs.cpu_count)
        say(text, n, "; %zu of %zu CPUs are of use (%s)", d->cores, d->pairs.cpu_count,
            d->cores < d->pairs.own_count ? "the CPU quota"
            : d->pairs.problem[0]         ? "the others cannot be measured, or share cores"
                                          : "the others share their cores");
    if (h->hiccup_max_us >= LONG_US)
        say(text, n, "; the worst case by hiccups, up to %.0f us", h->hiccup_max_us);
    say(text, n, ".");
}

int doctor_estimate(doctor *d) {
    const host_pairs *p = &d->pairs;
    d->cores = p->own_count;
    if (d->facts.quota > 0 && d->facts.quota < (double)d->cores)
        d->cores = d->facts.quota < 1 ? 1 : (size_t)d->facts.quota;
    for (int i = 0; i < DOCTOR_MODELS * DOCTOR_FORMATS; i++) {
        doctor_row *row = &d->row[i];
        if (lab_estimate_of(row->program, &d->host, 1, 0, d->clock_us, &row->one) ||
            lab_estimate_best(row->program, &d->host, (uint32_t)d->cores, p->hop_ns, d->clock_us, &row->best))
            return cli_error("%s", lab_error());
    }
    conclude(d);
    return CLI_OK;
}

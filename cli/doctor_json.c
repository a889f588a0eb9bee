/* What doctor found, as JSON, schema 1: penstock-doctor(1) lists the members. */
#include "doctor.h"
#include "json.h"

static void print_host(const doctor *d) {
    const pst_host *h = &d->host;
    cli_json_open("host", '{');
    cli_json_string("cpu", h->cpu);
    cli_json_open("cpus", '[');
    for (size_t i = 0; i < d->pairs.cpu_count; i++)
        cli_json_whole(NULL, d->pairs.cpus[i]);
    cli_json_close();
    cli_json_bool("virtualised", h->virtualised);
    cli_json_whole("l1d_bytes", h->l1d_bytes);
    cli_json_whole("l2_bytes", h->l2_bytes);
    cli_json_whole("l3_bytes", h->l3_bytes);
    cli_json_number("l1_gbs", h->l1_gbs);
    cli_json_number("l2_gbs", h->l2_gbs);
    cli_json_number("l3_gbs", h->l3_gbs);
    cli_json_number("hiccup_seconds", h->hiccup_seconds);
    cli_json_whole("hiccups_1us", h->hiccups_1us);
    cli_json_whole("hiccups_10us", h->hiccups_10us);
    cli_json_whole("hiccups_100us", h->hiccups_100us);
    cli_json_number("hiccup_max_us", h->hiccup_max_us);
    cli_json_number("hiccup_share", h->hiccup_share);
    cli_json_number("clock_us", d->clock_us);
    cli_json_close();
}

static void print_facts(const host_facts *f) {
    cli_json_open("facts", '[');
    for (uint32_t i = 0; i < f->count; i++) {
        const host_fact *fact = &f->fact[i];
        cli_json_open(NULL, '{');
        cli_json_string("what", fact->name);
        cli_json_string("found", fact->found);
        cli_json_string("judgement", host_judgement(fact->judgement));
        cli_json_string("effect", fact->effect);
        cli_json_string("change", fact->change[0] ? fact->change : NULL);
        cli_json_close();
    }
    cli_json_close();
}

static void print_pairs(const host_pairs *p) {
    cli_json_open("pairs", '[');
    for (size_t i = 0; i < p->count; i++) {
        const host_pair *pair = &p->pair[i];
        cli_json_open(NULL, '{');
        cli_json_whole("cpu_a", pair->a);
        cli_json_whole("cpu_b", pair->b);
        if (pair->has_hop) {
            cli_json_open("hop", '{');
            cli_json_whole("count", pair->hop.count);
            cli_json_number("p50_ns", pair->hop.p50_ns);
            cli_json_number("p99_ns", pair->hop.p99_ns);
            cli_json_number("p999_ns", pair->hop.p999_ns);
            cli_json_number("max_ns", pair->hop.max_ns);
            cli_json_number("mean_ns", pair->hop.mean_ns);
            cli_json_close();
        } else {
            cli_json_string("hop", NULL);
        }
        if (pair->has_sharing) {
            cli_json_open("sharing", '{');
            cli_json_whole("count", pair->sharing.count);
            cli_json_number("alone_ns", pair->sharing.alone_ns);
            cli_json_number("together_ns", pair->sharing.together_ns);
            cli_json_number("slowdown", pair->sharing.slowdown);
            cli_json_close();
        } else {
            cli_json_string("sharing", NULL);
        }
        cli_json_close();
    }
    cli_json_close();
    cli_json_string("problem", p->problem[0] ? p->problem : NULL);
}

static void print_estimate(const char *name, const lab_estimate *e) {
    cli_json_open(name, '{');
    cli_json_whole("cores", e->cores);
    cli_json_whole("critical_bytes", e->critical_bytes);
    cli_json_whole("working_set", e->working_set);
    cli_json_number("read_us", e->read_us);
    cli_json_number("hop_us", e->hop_us);
    cli_json_number("floor_us", e->floor_us);
    cli_json_string("limit", e->limit);
    cli_json_close();
}

void doctor_print_json(const doctor *d, FILE *to) {
    cli_json_to(to);
    cli_json_open(NULL, '{');
    cli_json_whole("schema", 1);
    cli_json_string("penstock", pst_version());
    print_host(d);
    print_facts(&d->facts);
    print_pairs(&d->pairs);
    cli_json_whole("cores", d->cores);
    cli_json_open("estimates", '[');
    for (int i = 0; i < DOCTOR_MODELS * DOCTOR_FORMATS; i++) {
        cli_json_open(NULL, '{');
        cli_json_string("model", d->row[i].model);
        cli_json_string("format", d->row[i].format);
        print_estimate("one_core", &d->row[i].one);
        print_estimate("best", &d->row[i].best);
        cli_json_close();
    }
    cli_json_close();
    cli_json_string("verdict", d->verdict);
    cli_json_close();
    cli_json_to(NULL);
}

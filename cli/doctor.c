/* penstock doctor: what this host does to latency, what to change, and what to expect of it. */
#include "doctor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "host_file.h"
#include "lab/clock.h"
#include "lab/error.h"
#include "lab/models.h"
#include "options.h"
#include "output.h"
#include "progress.h"

enum { SECONDS = 5, MOST_SECONDS = 3600 };
/* Of the time, what goes into the host alone (most of it into watching for hiccups), into hops, and into finding shared
 * cores. */
#define HOST_SHARE 0.4
#define HOP_SHARE 0.4
#define SHARING_SHARE 0.2

static int compile(doctor_row *row) {
    pst_model *model;
    pst_compile_options o;
    PST_INIT(o);
    o.format = row->format;
    o.flags = PST_COMPILE_UNCERTIFIED;
    if (lab_model_create(lab_shape_find(row->model), 1, &model))
        return cli_error("%s", lab_error());
    pst_status status = pst_compile(model, &o, &row->program);
    pst_model_free(model);
    return status == PST_OK ? CLI_OK : cli_library_error(row->model);
}

/* The programs, whose sizes the facts of memory ask for. */
static int compile_all(doctor *d) {
    static const char *const models[DOCTOR_MODELS] = {"tiny", "small", "med", "med_deep"};
    static const char *const formats[DOCTOR_FORMATS] = {"bf16", "w8a8"};
    for (int i = 0; i < DOCTOR_MODELS * DOCTOR_FORMATS; i++) {
        pst_info info;
        d->row[i].model = models[i / DOCTOR_FORMATS];
        d->row[i].format = formats[i % DOCTOR_FORMATS];
        if (compile(&d->row[i]) != CLI_OK)
            return CLI_BAD;
        PST_INIT(info);
        if (pst_program_get_info(d->row[i].program, &info) != PST_OK)
            return cli_library_error(d->row[i].model);
        if (info.critical_bytes + info.settle_bytes > d->facts.bytes)
            d->facts.bytes = info.critical_bytes + info.settle_bytes;
    }
    return CLI_OK;
}

static int examine(doctor *d, double seconds) {
    lab_clock clock;
    cli_progress(NULL, 0, "models");
    lab_clock_open(&clock);
    int result = compile_all(d);
    if (result != CLI_OK)
        return result;
    cli_progress(NULL, 0.1, "caches and hiccups");
    PST_INIT(d->host);
    if (pst_host_measure(seconds * HOST_SHARE, cli_level(), &d->host) != PST_OK)
        return cli_library_error(NULL);
    lab_clock_calibrate(&clock);
    d->clock_us = clock.pair_us;
    result = host_pairs_measure(seconds * HOP_SHARE, seconds * SHARING_SHARE, &d->pairs);
    if (result != CLI_OK)
        return result;
    d->facts.cpus = d->pairs.cpus;
    d->facts.cpu_count = d->pairs.cpu_count;
    host_facts_read(&d->facts);
    doctor_judge(d);
    return doctor_estimate(d);
}

static int report(const doctor *d, const char *json, cli_file *file) {
    if (!json || strcmp(json, "-") != 0)
        doctor_print(d);
    if (!json)
        return CLI_OK;
    if (!cli_file_reopen(json, file))
        return CLI_BAD;
    doctor_print_json(d, file->stream);
    return cli_file_commit(file) ? CLI_OK : CLI_BAD;
}

static int run(double seconds, const char *json) {
    doctor d = {0};
    cli_file file = {0};
    if (!cli_file_prepare(json, &file))
        return CLI_BAD;
    int result = examine(&d, seconds);
    cli_progress_end();
    if (result == CLI_OK)
        result = report(&d, json, &file);
    cli_file_abandon(&file);
    host_pairs_free(&d.pairs);
    for (int i = 0; i < DOCTOR_MODELS * DOCTOR_FORMATS; i++)
        pst_program_free(d.row[i].program);
    return result;
}

int cli_doctor(int argc, char **argv) {
    const char *operand, *json = NULL, *seconds = NULL;
    const cli_option table[] = {
        {"seconds", 's', "N", "how long to measure, about; default 5", &seconds},
        {"json", 'j', "FILE", "write all of it as JSON; -: to standard output, no table", &json},
        {0},
    };
    const cli_usage usage = {"doctor", "[OPTION]...",
                             "Says what this host does to latency: how it is set up, what is measured of it (caches,\n"
                             "hiccups, the hop between every pair of CPUs, CPUs that share a core), what to change,\n"
                             "and what to expect of four models on it. Changes nothing, and needs no privileges.",
                             NULL, table};
    switch (cli_parse(&usage, argc, argv, &operand)) {
    case CLI_HELPED:
        return CLI_OK;
    case CLI_REFUSED:
        return CLI_BAD;
    case CLI_GO:
        break;
    }
    uint64_t n = SECONDS;
    if (!cli_level_check() || (seconds && !cli_number("--seconds", seconds, 1, MOST_SECONDS, &n)))
        return CLI_BAD;
    const char *root = getenv("PENSTOCK_DOCTOR_ROOT"); /* for tests: another host's /proc and /sys */
    if (root)
        host_root(root);
    return run((double)n, json);
}

/* penstock bench: measures the latency of a step on this machine. The measuring is in lab/. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "commands.h"
#include "lab/anchors.h"
#include "lab/bench.h"
#include "lab/error.h"
#include "lab/json.h"
#include "lab/options.h"
#include "lab/plot.h"
#include "lab/table.h"
#include "options.h"
#include "output.h"
#include "progress.h"

/* What came from the command line, as text. */
typedef struct {
    const char *models, *formats, *input, *cores, *spacing, *inferences, *budget, *disturb, *seed, *streams, *idle,
        *silence;
    const char *json, *plot, *markdown;
} words;

enum { MOST_DISTURB_KB = 1 << 20, MOST_BUDGET_S = 86400, MOST_SILENCE_MS = 10000 };

static int lab_failure(void) {
    return cli_error("%s", lab_error());
}

static bool replaces(const words *w, const char *path) {
    return (w->json && cli_would_replace(w->json, path)) || (w->plot && cli_would_replace(w->plot, path));
}

/* A result may not replace a program that is measured, what it is measured with, nor the other result. */
static int check_results(const words *w, const lab_options *o) {
    if (w->json && w->plot && strcmp(w->json, w->plot) == 0)
        return cli_error("--json and --plot cannot both go to %s",
                         strcmp(w->json, "-") == 0 ? "standard output" : w->json);
    if (o->input.rows && replaces(w, w->input))
        return CLI_BAD;
    for (uint32_t i = 0; i < o->models.count; i++)
        if (lab_is_path(o->models.item[i]) && replaces(w, o->models.item[i]))
            return CLI_BAD;
    return CLI_OK;
}

/* The lab reads no files of rows: it is given what is in them. */
static int read_input(const words *w, lab_options *o, cli_array *data) {
    int result = w->input ? lab_input_parse(w->input, &o->input) : 0;
    if (result < 0)
        return lab_failure();
    if (result == 0)
        return CLI_OK;
    if (!cli_array_read_path(w->input, false, data))
        return CLI_BAD;
    if (data->columns > UINT32_MAX)
        return cli_error("%s: shape %s; no model takes so many inputs", w->input, cli_array_shape(data));
    if (strcmp(w->input, "-") == 0)
        o->input.name = "standard input";
    o->input.rows = data->f;
    o->input.steps = data->steps;
    o->input.columns = (uint32_t)data->columns;
    return CLI_OK;
}

static int read_lists(const words *w, lab_options *o) {
    if ((w->models && lab_list_parse("--models", w->models, &o->models)) ||
        (w->formats && lab_formats_parse(w->formats, &o->formats)) ||
        (w->cores && lab_list_parse("--cores", w->cores, &o->cores)) ||
        (w->spacing && lab_spacing_parse(w->spacing, o)) || (w->idle && lab_idle_parse(w->idle, o)) ||
        lab_check_models(&o->models) || lab_check_cores(&o->cores))
        return lab_failure();
    return CLI_OK;
}

static int read_numbers(const words *w, lab_options *o) {
    uint64_t kb = 0, budget = (uint64_t)o->budget_s, streams = o->streams, silence = 0;
    /* JSON's whole numbers are exact up to 2^53. */
    if ((w->inferences && !cli_number("--inferences", w->inferences, 1, 1000000000, &o->inferences)) ||
        (w->budget && !cli_number("--budget", w->budget, 1, MOST_BUDGET_S, &budget)) ||
        (w->disturb && !cli_number("--disturb-kb", w->disturb, 0, MOST_DISTURB_KB, &kb)) ||
        (w->streams && !cli_number("--streams", w->streams, 1, 2, &streams)) ||
        (w->silence && !cli_number("--silence-ms", w->silence, 0, MOST_SILENCE_MS, &silence)) ||
        (w->seed && !cli_number("--seed", w->seed, 0, (uint64_t)1 << 53, &o->seed)))
        return CLI_BAD;
    o->budget_s = (double)budget;
    o->disturb_bytes = kb * 1024;
    if (o->burst > 1 && (streams > 1 || silence))
        return cli_error("--%s: its steps are compared with single ones, not with those of --spacing-us burst:%u",
                         streams > 1 ? "streams" : "silence-ms", o->burst);
    o->streams = (uint32_t)streams;
    o->silence_ms = (double)silence;
    return CLI_OK;
}

static int write_results(const words *w, const lab_bench *b, const lab_anchors *a, cli_file *json, cli_file *plot) {
    bool table = !(w->json && strcmp(w->json, "-") == 0) && !(w->plot && strcmp(w->plot, "-") == 0);
    if (table && lab_table_print(b, a, w->markdown != NULL, stdout))
        return lab_failure();
    if (w->json) {
        if (!cli_file_reopen(w->json, json))
            return CLI_BAD;
        if (lab_json_print(b, a, json->stream))
            return lab_failure();
        if (!cli_file_commit(json))
            return CLI_BAD;
    }
    if (w->plot) {
        if (!cli_file_reopen(w->plot, plot))
            return CLI_BAD;
        lab_plot_print(b, a, plot->stream);
        if (!cli_file_commit(plot))
            return CLI_BAD;
    }
    return CLI_OK;
}

static int run(const words *w, const lab_options *o, const lab_anchors *a, cli_file *json, cli_file *plot) {
    lab_bench bench;
    if (!cli_file_prepare(w->json, json) || !cli_file_prepare(w->plot, plot))
        return CLI_BAD;
    int failed = lab_bench_run(o, &bench);
    cli_progress_end();
    if (failed)
        return lab_failure();
    int result = write_results(w, &bench, a, json, plot);
    lab_bench_free(&bench);
    return result;
}

static int measure(const words *w, const lab_options *o) {
    lab_anchors anchors;
    cli_file json = {0}, plot = {0};
    if (lab_anchors_open(lab_anchor_texts, &anchors))
        return lab_failure();
    int result = run(w, o, &anchors, &json, &plot);
    cli_file_abandon(&json);
    cli_file_abandon(&plot);
    lab_anchors_close(&anchors);
    return result;
}

int psti_command_bench(int argc, char **argv) {
    words w = {0};
    const char *operand;
    const cli_option table[] = {
        {"models", 'm', "LIST", "names or .pstk files; default tiny,small,med,med_deep", &w.models},
        {"formats", 'f', "LIST", "any that compile takes; default " LAB_FORMATS, &w.formats},
        {"input", 'i', "KIND", "of the models: iid, ar:R with -1 < R < 1, or a file; default iid", &w.input},
        {"cores", 'c', "LIST", "numbers of cores, or best; default 1,best", &w.cores},
        {"spacing-us", 's', "US|burst:K", "from step to step, or K at once; default 20", &w.spacing},
        {"inferences", 'n', "N", "steps to measure of each cell; default 50000", &w.inferences},
        {"budget", 'b', "SECONDS", "for measuring what preparing leaves of it; default 75", &w.budget},
        {"disturb-kb", 0, "N", "write N KiB of other memory between steps, or in a silence", &w.disturb},
        {"streams", 0, "N", "2: a step on another stream during each settle; default 1", &w.streams},
        {"idle", 0, "STRATEGY", "of cores that wait: auto, spin, wait, yield, park; default auto", &w.idle},
        {"silence-ms", 0, "N", "also time steps after N ms without any; default 0", &w.silence},
        {"seed", 0, "N", "of weights and inputs, 0 or more; default 1", &w.seed},
        {"json", 'j', "FILE", "write the results as JSON; -: to standard output, no table", &w.json},
        {"plot", 'p', "FILE", "write a picture of the distributions as SVG", &w.plot},
        {"markdown", 0, NULL, "print the tables as Markdown", &w.markdown},
        {0},
    };
    const cli_usage usage = {"bench", "[OPTION]...",
                             "Measures how long a step takes on this machine: models by name (tiny, small, med,\n"
                             "med_deep, large, stac_a, stac_b, stac_c; PyTorch's default initial weights) or .pstk\n"
                             "files, in each format, on each number of cores. Cells take turns in 10 rounds; every\n"
                             "step counts, and register-only work of the same length shows what the machine adds.\n"
                             "Between formats stands a comma, or a semicolon where ';' or '=' stands in the list.",
                             NULL, table};
    switch (cli_parse(&usage, argc, argv, &operand)) {
    case CLI_HELPED:
        return CLI_OK;
    case CLI_REFUSED:
        return CLI_BAD;
    case CLI_GO:
        break;
    }
    lab_options options;
    cli_array data = {0};
    if (!cli_level_check())
        return CLI_BAD;
    if (lab_options_default(&options))
        return lab_failure();
    options.level = cli_level();
    options.report = cli_progress;
    int result = read_lists(&w, &options);
    if (result == CLI_OK)
        result = read_numbers(&w, &options);
    if (result == CLI_OK)
        result = read_input(&w, &options, &data);
    if (result == CLI_OK)
        result = check_results(&w, &options);
    if (result == CLI_OK)
        result = measure(&w, &options);
    lab_options_free(&options);
    cli_array_free(&data);
    return result;
}

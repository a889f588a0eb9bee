/* penstock run: sequences in, answers out. A .npy is read whole; CSV is answered line by line, so that a pipe can be
 * used live. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "array.h"
#include "commands.h"
#include "csv.h"
#include "json.h"
#include "npy.h"
#include "options.h"
#include "output.h"
#include "penstock.h"
#include "progress.h"
#include "session.h"

typedef struct {
    const char *program, *input, *output, *cores, *json;
} arguments;

/* What was done, for the line at the end. */
typedef struct {
    uint64_t sequences, steps; /* steps of all sequences */
    double seconds;            /* in the library's calls, settle included */
} tally;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool ends_with(const char *text, const char *ending) {
    size_t n = strlen(text), k = strlen(ending);
    return n >= k && strcmp(text + n - k, ending) == 0;
}

/* The output is of the kind its name says, else of the input's. */
static bool writes_npy(const char *path, bool input_is_npy) {
    if (ends_with(path, ".npy"))
        return true;
    return ends_with(path, ".csv") || ends_with(path, ".txt") ? false : input_is_npy;
}

static void write_array(cli_file *out, bool npy, const cli_array *shape, uint64_t outputs, const float *y) {
    if (npy) {
        cli_npy_write(out->stream, shape->rank, shape->sequences, shape->steps, outputs, y);
        return;
    }
    for (uint64_t i = 0; i < shape->sequences; i++) {
        if (i)
            putc('\n', out->stream);
        for (uint64_t j = 0; j < shape->steps; j++)
            cli_csv_write(out->stream, y + (i * shape->steps + j) * outputs, outputs);
    }
}

/* The whole input, then the whole output. */
static int run_whole(const arguments *a, cli_session *s, cli_input *in, cli_file *out, tally *done) {
    cli_array x;
    float *y = NULL;
    int result = CLI_BAD;
    if (!cli_array_read(in, false, &x))
        return CLI_BAD;
    if (x.columns != s->info.inputs)
        cli_error("%s: shape %s; the program takes %u inputs: [T, %u] or [streams, T, %u] is needed", in->name,
                  cli_array_shape(&x), s->info.inputs, s->info.inputs, s->info.inputs);
    else
        y = cli_session_outputs(s, &x);
    if (y) {
        double start = now();
        result = cli_session_run(s, in->name, &x, y);
        done->seconds = now() - start;
        done->sequences = x.sequences;
        done->steps = x.sequences * x.steps;
    }
    if (result == CLI_OK)
        write_array(out, writes_npy(a->output, in->npy), &x, s->info.outputs, y);
    free(y);
    cli_array_free(&x);
    return result;
}

/* One row: a new stream if it begins a sequence, a step, an answer. */
static int answer(cli_session *s, pst_stream **stream, const cli_csv *csv, cli_file *out, float *y, tally *done) {
    if (csv->row == 0) {
        pst_stream_close(*stream);
        *stream = NULL;
        if (pst_stream_open(s->engine, NULL, stream) != PST_OK)
            return cli_library_error(NULL);
        if (csv->sequence > 0)
            putc('\n', out->stream);
        done->sequences++;
    }
    double start = now();
    if (pst_step(*stream, csv->f, csv->columns, y, s->info.outputs) != PST_OK) {
        char where[4200];
        snprintf(where, sizeof where, "%s: line %llu", csv->name, (unsigned long long)csv->line);
        return cli_library_error(where);
    }
    done->seconds += now() - start;
    cli_csv_write(out->stream, y, s->info.outputs);
    if (out->live && fflush(out->stream) != 0) /* before settling: whoever waits for the answer has it now */
        return cli_error("%s: %s", out->name, strerror(errno));
    start = now();
    if (pst_settle(*stream, 0, NULL) != PST_OK)
        return cli_library_error(NULL);
    done->seconds += now() - start;
    done->steps++;
    return CLI_OK;
}

static int run_rows(cli_session *s, cli_input *in, cli_file *out, tally *done) {
    cli_csv csv;
    pst_stream *stream = NULL;
    float *y = malloc(s->info.outputs * sizeof *y);
    int got = 1, result = y ? CLI_OK : cli_error("no memory for the outputs");
    cli_csv_begin(&csv, in->stream, in->name, false);
    csv.columns = s->info.inputs;
    while (result == CLI_OK && (got = cli_csv_next(&csv)) > 0)
        result = answer(s, &stream, &csv, out, y, done);
    if (got < 0)
        result = CLI_BAD;
    if (result == CLI_OK && done->steps == 0)
        result = cli_error("%s: no rows", in->name);
    pst_stream_close(stream);
    cli_csv_free(&csv);
    free(y);
    return result;
}

static void print_result(const arguments *a, const cli_session *s, const tally *done) {
    if (a->json) {
        cli_json_open(NULL, '{');
        cli_json_string("program", a->program);
        cli_json_string("output", a->output);
        cli_json_string("format", s->info.format);
        cli_json_string("level", s->engine_info.level);
        cli_json_whole("cores", s->engine_info.cores);
        cli_json_whole("sequences", done->sequences);
        cli_json_whole("steps", done->steps);
        cli_json_number("seconds", done->seconds);
        cli_json_open("shortfalls", '[');
        for (size_t i = 0; i < s->engine_info.shortfall_count; i++)
            cli_json_string(NULL, s->engine_info.shortfalls[i]);
        cli_json_close();
        cli_json_close();
    } else {
        printf("%s: %s, %s in %.6f s (level %s, %s, settle included)\n", a->output,
               cli_count(done->sequences, "sequence"), cli_count(done->steps, "step"), done->seconds,
               s->engine_info.level, cli_count(s->engine_info.cores, "core"));
    }
}

static int run_files(const arguments *a, cli_session *s) {
    cli_input in;
    cli_file out;
    tally done = {0};
    if (!cli_input_open(a->input, &in))
        return CLI_BAD;
    if (!cli_file_create(a->output, &out)) {
        cli_input_close(&in);
        return CLI_BAD;
    }
    /* Both ends are open before the first byte is waited for: with two named pipes anything else would lock up. */
    int result;
    bool to_stdout = out.stream == stdout;
    if (a->json && to_stdout)
        result = cli_error("--json and --output %s: both would go to standard output", a->output);
    else if (!cli_input_look(&in))
        result = CLI_BAD;
    else if (in.npy || writes_npy(a->output, false))
        result = run_whole(a, s, &in, &out, &done);
    else
        result = run_rows(s, &in, &out, &done);
    cli_input_close(&in);
    if (result == CLI_OK && !cli_file_commit(&out))
        result = CLI_BAD;
    cli_file_abandon(&out);
    if (result == CLI_OK && !to_stdout)
        print_result(a, s, &done);
    return result;
}

int cli_run(int argc, char **argv) {
    arguments a = {0};
    const cli_option table[] = {
        {"input", 'i', "X", "a .npy or CSV file or pipe, - for standard input; needed", &a.input},
        {"output", 'o', "Y", "where the answers go, - for standard output; needed", &a.output},
        {"cores", 0, "N", "run on N cores, at most those there are; 1", &a.cores},
        {"json", 0, NULL, "print JSON about the run", &a.json},
        {0},
    };
    const cli_usage usage = {"run", "M.pstk --input X --output Y [OPTION]...",
                             "Runs sequences through a program: [T, input] or [streams, T, input], each sequence\n"
                             "from the initial state. Y has X's rank, and its kind (.npy or CSV) unless Y's name\n"
                             "says another. CSV is answered line by line as it comes; an empty line begins\n"
                             "another sequence.",
                             "M.pstk", table};
    switch (cli_parse(&usage, argc, argv, &a.program)) {
    case CLI_HELPED:
        return CLI_OK;
    case CLI_REFUSED:
        return CLI_BAD;
    case CLI_GO:
        break;
    }
    uint64_t cores = 0;
    if (!a.input || !a.output)
        return cli_error("%s is missing", a.input ? "--output" : "--input");
    if (a.cores && !cli_number("--cores", a.cores, 1, 64, &cores))
        return CLI_BAD;
    if (cli_would_replace(a.output, a.program) || cli_would_replace(a.output, a.input))
        return CLI_BAD;
    cli_session s;
    if (cli_session_open(a.program, (uint32_t)cores, &s) != CLI_OK)
        return CLI_BAD;
    int result = run_files(&a, &s);
    cli_session_close(&s);
    return result;
}

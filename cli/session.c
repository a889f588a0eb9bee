/* A program opened on an engine: see session.h. */
#include "session.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "options.h"
#include "output.h"
#include "progress.h"

/* The first n bytes of a file; false if it has fewer. Only a regular file can be looked at before it is read. */
static bool look(const char *path, unsigned char *start, size_t n) {
    struct stat st;
    FILE *f = stat(path, &st) == 0 && S_ISREG(st.st_mode) ? fopen(path, "re") : NULL;
    if (!f)
        return false;
    bool all = fread(start, 1, n, f) == n;
    fclose(f);
    return all;
}

/* A .safetensors file begins with eight bytes of length and then a JSON object; a program does not. */
bool cli_is_checkpoint(const char *path) {
    unsigned char start[9];
    size_t length = strlen(path);
    static const char ending[] = ".safetensors";
    if (length >= sizeof ending && strcmp(path + length - (sizeof ending - 1), ending) == 0)
        return true;
    return look(path, start, sizeof start) && start[8] == '{' && start[7] == 0 && start[6] == 0;
}

bool cli_is_program(const char *path) {
    static const unsigned char magic[8] = {0x89, 'P', 'S', 'T', '\r', '\n', 0x1a, '\n'}; /* docs/format.md */
    unsigned char start[8];
    return look(path, start, sizeof start) && memcmp(start, magic, sizeof magic) == 0;
}

int cli_session_open(const char *path, uint32_t cores, cli_session *s) {
    pst_engine_options o;
    memset(s, 0, sizeof *s);
    PST_INIT(o);
    PST_INIT(s->info);
    PST_INIT(s->engine_info);
    if (!cli_level_check())
        return CLI_BAD;
    if (cli_is_checkpoint(path))
        return cli_error("%s: a checkpoint, not a program; penstock compile makes one of it", path);
    o.cores = cores;
    o.level = cli_level();
    if (pst_program_open(path, &s->program) == PST_OK && pst_program_get_info(s->program, &s->info) == PST_OK &&
        pst_engine_open(s->program, &o, &s->engine) == PST_OK &&
        pst_engine_get_info(s->engine, &s->engine_info) == PST_OK)
        return CLI_OK;
    cli_library_error(NULL);
    cli_session_close(s);
    return CLI_BAD;
}

void cli_session_close(cli_session *s) {
    pst_engine_close(s->engine);
    pst_program_free(s->program);
    s->engine = NULL;
    s->program = NULL;
}

/* Says which step of a sequence failed: pst_run was given the steps from `first` on, and names one of those. */
static int step_failed(const char *name, uint64_t sequence, uint64_t first) {
    pst_error e;
    char counted[64];
    PST_INIT(e);
    pst_last_error(&e);
    const char *message = e.message ? e.message : pst_status_name(e.status);
    size_t n = (size_t)snprintf(counted, sizeof counted, "step %lld: ", (long long)e.found);
    cli_progress_end();
    if (!e.field || strcmp(e.field, "step") != 0 || strncmp(message, counted, n) != 0)
        return cli_error("%s: sequence %llu (counted from 0): %s", name, (unsigned long long)sequence, message);
    return cli_error("%s: sequence %llu, step %llu (counted from 0): %s", name, (unsigned long long)sequence,
                     (unsigned long long)first + (unsigned long long)e.found, message + n);
}

static int run_sequence(cli_session *s, const char *name, const cli_array *x, uint64_t sequence, float *y) {
    /* Small enough that progress moves, large enough that a call costs nothing. */
    const uint64_t most = 1024;
    pst_stream *stream = NULL;
    const float *from = x->f + sequence * x->steps * x->columns;
    if (pst_stream_open(s->engine, NULL, &stream) != PST_OK)
        return cli_library_error(name);
    int result = CLI_OK;
    for (uint64_t t = 0; t < x->steps && result == CLI_OK; t += most) {
        uint64_t n = x->steps - t < most ? x->steps - t : most;
        if (pst_run(stream, from + t * x->columns, (size_t)n, y + t * s->info.outputs) != PST_OK)
            result = step_failed(name, sequence, t);
        double share = (double)(t + n) / (double)x->steps;
        cli_progress(NULL, ((double)sequence + share) / (double)x->sequences, "running");
    }
    pst_stream_close(stream);
    return result;
}

int cli_session_run(cli_session *s, const char *name, const cli_array *x, float *y) {
    int result = CLI_OK;
    for (uint64_t i = 0; i < x->sequences && result == CLI_OK; i++)
        result = run_sequence(s, name, x, i, y + i * x->steps * s->info.outputs);
    cli_progress_end();
    return result;
}

float *cli_session_outputs(const cli_session *s, const cli_array *x) {
    size_t count;
    float *y = NULL;
    if (cli_product(x->sequences, x->steps, s->info.outputs, &count))
        y = malloc(count * sizeof *y);
    if (!y)
        cli_error("no memory for the outputs");
    return y;
}

/* penstock compile: a checkpoint in, a certified program out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "certificates.h"
#include "commands.h"
#include "formats.h"
#include "frontier.h"
#include "json.h"
#include "matrices.h"
#include "options.h"
#include "output.h"
#include "penstock.h"
#include "progress.h"
#include "report.h"
#include "session.h"

enum { MOST_CORES = 64 }; /* penstock.h */

typedef struct {
    const char *checkpoint, *output, *format, *layer_formats[CLI_REPEATS + 1], *group, *calibrate, *held_back, *prefix,
        *seed, *steps, *tolerance, *nearest, *prove, *cores, *json;
} arguments;

static bool take_u32(const char *what, const char *text, uint32_t most, uint32_t *out) {
    uint64_t n;
    if (!cli_number(what, text, 1, most, &n))
        return false;
    *out = (uint32_t)n;
    return true;
}

/* The numbers among the arguments. */
static bool fill_options(const arguments *a, pst_compile_options *o) {
    cli_tolerance t;
    PST_INIT(*o);
    o->format = a->format;
    o->level = cli_level();
    o->progress = cli_progress;
    o->flags = (a->nearest ? PST_COMPILE_NEAREST : 0) | (a->prove ? PST_COMPILE_PROVE : 0);
    if (a->group && !take_u32("--group", a->group, UINT32_MAX, &o->group))
        return false;
    if (a->seed && !cli_number("--seed", a->seed, 1, UINT64_MAX, &o->seed))
        return false;
    if (a->steps && !cli_number("--steps", a->steps, 1, UINT32_MAX, &o->certificate_steps))
        return false;
    if (a->tolerance) {
        if (!cli_parse_tolerance(a->tolerance, &t))
            return false;
        if (!(t.limit > 0)) {
            cli_error("--tolerance: it must be above 0");
            return false;
        }
        *(t.absolute ? &o->tolerance_abs : &o->tolerance) = t.limit;
    }
    return !a->cores || take_u32("--cores", a->cores, MOST_CORES, &o->cores);
}

/* What of the arguments needs another that is not there, or contradicts it. */
static bool check_together(const arguments *a) {
    bool searches = cli_format_is_auto(a->format);
    if (searches && !a->tolerance)
        cli_error("--format auto needs --tolerance E or abs:E: it gives the fastest format that holds it");
    else if (searches && a->layer_formats[0])
        cli_error("--format-layer: --format auto chooses the formats of all layers");
    else if (a->cores && !searches)
        cli_error("--cores is for --format auto, which times formats on so many; --format is %s", a->format);
    else if (a->held_back && !a->calibrate)
        cli_error("--held-back needs --calibrate: it is the input that nothing is calibrated on");
    else if (a->held_back && strcmp(a->held_back, "-") == 0 && strcmp(a->calibrate, "-") == 0)
        cli_error("--calibrate - and --held-back -: standard input can be only one of them");
    else
        return true;
    return false;
}

static int read_model(const arguments *a, pst_model **model) {
    pst_read_options o;
    PST_INIT(o);
    o.prefix = a->prefix;
    if (cli_is_program(a->checkpoint))
        return cli_error("%s: it is a program (.pstk) already", a->checkpoint);
    return pst_model_read(a->checkpoint, &o, model) == PST_OK ? CLI_OK : cli_library_error(NULL);
}

/* Reads the input at `path`, if there is one, and checks its width. */
static int read_input(const char *path, const pst_model *model, cli_array *data) {
    pst_info info;
    PST_INIT(info);
    if (!path)
        return CLI_OK;
    if (pst_model_get_info(model, &info) != PST_OK)
        return cli_library_error(NULL);
    if (!cli_array_read_path(path, false, data))
        return CLI_BAD;
    if (data->columns != info.inputs)
        return cli_error("%s: shape %s; the model takes %u inputs: [T, %u] or [sequences, T, %u] is needed", path,
                         cli_array_shape(data), info.inputs, info.inputs, info.inputs);
    return CLI_OK;
}

static int read_inputs(const arguments *a, const pst_model *model, cli_array *calibration, cli_array *held_back,
                       pst_compile_options *o) {
    int result = read_input(a->calibrate, model, calibration);
    if (result == CLI_OK)
        result = read_input(a->held_back, model, held_back);
    o->calibration = calibration->f;
    o->steps = calibration->steps;
    o->sequences = calibration->sequences;
    o->held_back = held_back->f;
    o->held_back_steps = held_back->steps;
    o->held_back_sequences = held_back->sequences;
    return result;
}

static int print_json(const arguments *a, const pst_info *info, const cli_calibration *over, const pst_program *program,
                      const cli_frontier *tried) {
    cli_json_open(NULL, '{');
    cli_json_string("program", a->output);
    cli_report_info_json(info);
    int result = cli_print_certificates_json(program, over);
    if (result == CLI_OK)
        result = cli_print_matrices_json(program);
    cli_print_frontier_json(tried);
    cli_json_close();
    return result;
}

static int print_text(const arguments *a, const pst_info *info, const cli_calibration *over,
                      const pst_program *program) {
    printf("%s: format %s, inputs %s, outputs %s, parameters %s in %s bytes\n", a->output, info->format,
           cli_grouped(info->inputs), cli_grouped(info->outputs), cli_grouped(info->parameters),
           cli_grouped(info->critical_bytes + info->settle_bytes));
    int result = cli_print_certificates(program, over);
    if (result == CLI_OK)
        result = cli_print_rounding(program);
    if (result != CLI_OK || !(a->prove || cli_format_is_auto(a->format)))
        return result;
    printf("\n");
    return cli_print_matrices(program);
}

/* What the search has tried, where it has found nothing that holds. */
static void print_failed(const arguments *a, const pst_compile_options *o, const cli_frontier *tried) {
    if (!a->json) {
        cli_print_frontier(tried, o->cores ? o->cores : 1);
        return;
    }
    cli_json_open(NULL, '{');
    cli_json_string("program", NULL);
    cli_print_frontier_json(tried);
    cli_json_close();
}

static int print_result(const arguments *a, const pst_compile_options *o, const pst_program *program,
                        const cli_frontier *tried) {
    const cli_calibration calibration = {a->calibrate, o->sequences, o->steps, !a->held_back};
    const cli_calibration *over = a->calibrate ? &calibration : NULL;
    pst_info info;
    PST_INIT(info);
    if (pst_program_get_info(program, &info) != PST_OK)
        return cli_library_error(NULL);
    if (a->json)
        return print_json(a, &info, over, program, tried);
    if (tried->count)
        cli_print_frontier(tried, o->cores ? o->cores : 1);
    return print_text(a, &info, over, program);
}

/* The file that the library's error is about. */
static const char *file_of(const arguments *a, const pst_error *e) {
    const char *file = a->checkpoint;
    if (a->calibrate && e->item && strcmp(e->item, "calibration") == 0)
        file = a->calibrate;
    if (a->held_back && e->item && strncmp(e->item, "held", strlen("held")) == 0)
        file = a->held_back;
    return strcmp(file, "-") == 0 ? "standard input" : file;
}

/* Says why pst_compile failed, with the name of the file or the option that it is about. */
static int compile_failed(const arguments *a) {
    pst_error e;
    PST_INIT(e);
    pst_last_error(&e);
    const char *message = e.message ? e.message : pst_status_name(e.status);
    const char *option = cli_format_option(e.field, &message);
    if (e.status != PST_E_TOLERANCE)
        return cli_error("%s: %s", option ? option : file_of(a, &e), message);
    cli_error("%s: %s; nothing was written", a->checkpoint, message);
    return CLI_FAILED;
}

static int compile_to(const arguments *a, const pst_model *model, const pst_compile_options *o, const char *target) {
    pst_program *program = NULL;
    const cli_frontier *tried = o->user;
    pst_status status = pst_compile(model, o, &program);
    cli_progress_end();
    if (tried->lost) /* it only tells */
        cli_error("out of memory: not all formats that were tried are listed");
    if (status == PST_E_TOLERANCE && cli_format_is_auto(a->format) && (tried->count || a->json))
        print_failed(a, o, tried);
    if (status != PST_OK)
        return compile_failed(a);
    int result = CLI_OK;
    if (pst_program_save(program, target) != PST_OK)
        result = cli_library_error(NULL);
    if (result == CLI_OK)
        result = print_result(a, o, program, tried);
    pst_program_free(program);
    return result;
}

static bool may_write(const arguments *a) {
    if (strcmp(a->output, "-") == 0) {
        cli_error("a program is written to a file, not to standard output (a file named -: -o ./-)");
        return false;
    }
    return !cli_would_replace(a->output, a->checkpoint) &&
           !(a->calibrate && cli_would_replace(a->output, a->calibrate)) &&
           !(a->held_back && cli_would_replace(a->output, a->held_back));
}

/* Everything from the checkpoint on; the options are filled but for the inputs. */
static int compile_file(const arguments *a, pst_compile_options *o) {
    char *target = cli_file_target(a->output);
    if (!target)
        return CLI_BAD;
    pst_model *model = NULL;
    cli_array calibration = {0}, held_back = {0};
    cli_frontier tried = {0};
    o->tried = cli_frontier_add;
    o->user = &tried;
    int result = read_model(a, &model);
    if (result == CLI_OK)
        result = read_inputs(a, model, &calibration, &held_back, o);
    if (result == CLI_OK)
        result = compile_to(a, model, o, target);
    cli_array_free(&calibration);
    cli_array_free(&held_back);
    cli_frontier_free(&tried);
    pst_model_free(model);
    free(target);
    return result;
}

int cli_compile(int argc, char **argv) {
    arguments a = {0};
    const cli_option table[] = {
        {"output", 'o', "M.pstk", "where the program goes; needed", &a.output},
        {"format", 'f', "F", "f32, bf16, w8a16, w8a8, w4r ... or auto: the manual has all; needed", &a.format},
        {"format-layer", 0, "L=F...", "another format of layer L: 0=w8a16; may be given for several", a.layer_formats},
        {"group", 0, "N", "inputs that share a multiplier, of 2 to 4 bits: 32, 64 ...", &a.group},
        {"nearest", 0, NULL, "round weights to nearest, whatever the calibration says", &a.nearest},
        {"calibrate", 0, "X.npy", "your own input, .npy or CSV: [T, input] or [sequences, T, input]", &a.calibrate},
        {"held-back", 0, "X.npy", "more of it, to certify over only; default the last fifth of X", &a.held_back},
        {"prefix", 0, "P", "take only tensors whose names begin with P", &a.prefix},
        {"seed", 0, "N", "1 or more: of the noise that certifies without --calibrate; default 20220930", &a.seed},
        {"steps", 0, "N", "certify over all sequences, at most N steps of each", &a.steps},
        {"tolerance", 0, "E|abs:E", "exit 1, write nothing, if relative rms (abs: max) error is above E", &a.tolerance},
        {"prove", 0, NULL, "also certify over a long run and over hard input, and each matrix", &a.prove},
        {"cores", 0, "N", "on how many --format auto times formats; default 1", &a.cores},
        {"json", 0, NULL, "print JSON", &a.json},
        {0},
    };
    const cli_usage usage = {"compile", "CHECKPOINT -o M.pstk --format F [OPTION]...",
                             "Compiles a .safetensors checkpoint into a program, runs it against the float64\n"
                             "reference, and prints its certificates: the error over your calibration input and\n"
                             "over input held back from it, or without any over seeded noise. --format auto looks\n"
                             "for the fastest format that holds --tolerance on this machine.",
                             "CHECKPOINT", table};
    switch (cli_parse(&usage, argc, argv, &a.checkpoint)) {
    case CLI_HELPED:
        return CLI_OK;
    case CLI_REFUSED:
        return CLI_BAD;
    case CLI_GO:
        break;
    }
    pst_compile_options o;
    char *layer_formats;
    if (!a.output)
        return cli_error("--output is missing: -o M.pstk says where the program goes");
    if (!a.format)
        return cli_error("--format is missing: f32, bf16, w8a16, w8a8 or another of penstock-compile(1)");
    if (!cli_level_check() || !fill_options(&a, &o) || !cli_format_check(a.format, o.group) || !check_together(&a) ||
        !may_write(&a) || !cli_layer_formats(a.layer_formats, &layer_formats))
        return CLI_BAD;
    o.layer_formats = layer_formats;
    int result = compile_file(&a, &o);
    free(layer_formats);
    return result;
}

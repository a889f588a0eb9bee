/* penstock compile: a checkpoint in, a certified program out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "commands.h"
#include "json.h"
#include "options.h"
#include "output.h"
#include "penstock.h"
#include "progress.h"
#include "report.h"
#include "session.h"

typedef struct {
    const char *checkpoint, *output, *format, *calibrate, *prefix, *seed, *steps, *tolerance, *json;
} arguments;

/* Asks the library whether it has the format, by compiling a single weight: a wrong name should be told before a large
 * checkpoint is read, and the list of formats is the library's. */
static bool check_format(const char *format) {
    const float one = 1.0f;
    const uint64_t shape[] = {1, 1};
    pst_tensor tensor;
    pst_layer layer;
    pst_compile_options o;
    PST_INIT(tensor);
    PST_INIT(layer);
    PST_INIT(o);
    tensor.name = "weight";
    tensor.dtype = PST_F32;
    tensor.rank = 2;
    tensor.shape = shape;
    tensor.data = &one;
    const pst_tensor *tensors[] = {&tensor};
    layer.kind = "linear";
    layer.tensors = tensors;
    layer.tensor_count = 1;
    const pst_layer *layers[] = {&layer};
    o.format = format;
    o.flags = PST_COMPILE_UNCERTIFIED;
    pst_model *model = NULL;
    pst_program *program = NULL;
    bool good = pst_model_create(layers, 1, NULL, &model) == PST_OK && pst_compile(model, &o, &program) == PST_OK;
    if (!good) {
        pst_error e;
        PST_INIT(e);
        pst_last_error(&e);
        bool about = e.field && strcmp(e.field, "format") == 0;
        cli_error("%s%s", about ? "--" : "", e.message ? e.message : pst_status_name(e.status));
    }
    pst_program_free(program);
    pst_model_free(model);
    return good;
}

/* The numbers among the arguments. */
static bool fill_options(const arguments *a, pst_compile_options *o) {
    cli_tolerance t;
    PST_INIT(*o);
    o->format = a->format;
    o->level = cli_level();
    o->progress = cli_progress;
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
    return true;
}

static int read_model(const arguments *a, pst_model **model) {
    pst_read_options o;
    PST_INIT(o);
    o.prefix = a->prefix;
    if (cli_is_program(a->checkpoint))
        return cli_error("%s: it is a program (.pstk) already", a->checkpoint);
    return pst_model_read(a->checkpoint, &o, model) == PST_OK ? CLI_OK : cli_library_error(NULL);
}

static int read_calibration(const arguments *a, const pst_model *model, cli_array *data, pst_compile_options *o) {
    pst_info info;
    PST_INIT(info);
    if (!a->calibrate)
        return CLI_OK;
    if (pst_model_get_info(model, &info) != PST_OK)
        return cli_library_error(NULL);
    if (!cli_array_read_path(a->calibrate, false, data))
        return CLI_BAD;
    if (data->columns != info.inputs)
        return cli_error("%s: shape %s; the model takes %u inputs: [T, %u] or [sequences, T, %u] is needed",
                         a->calibrate, cli_array_shape(data), info.inputs, info.inputs, info.inputs);
    o->calibration = data->f;
    o->steps = data->steps;
    o->sequences = data->sequences;
    return CLI_OK;
}

static int print_result(const arguments *a, const pst_compile_options *o, const pst_program *program) {
    const cli_calibration calibration = {a->calibrate, o->sequences, o->steps};
    const cli_calibration *over = a->calibrate ? &calibration : NULL;
    pst_info info;
    pst_certificate c;
    PST_INIT(info);
    PST_INIT(c);
    if (pst_program_get_info(program, &info) != PST_OK || pst_program_certificate(program, &c) != PST_OK)
        return cli_library_error(NULL);
    if (a->json) {
        cli_json_open(NULL, '{');
        cli_json_string("program", a->output);
        cli_report_info_json(&info);
        cli_report_certificate_json(&c, over);
        cli_json_close();
        return CLI_OK;
    }
    printf("%s: format %s, inputs %s, outputs %s, parameters %s in %s bytes\n", a->output, info.format,
           cli_grouped(info.inputs), cli_grouped(info.outputs), cli_grouped(info.parameters),
           cli_grouped(info.critical_bytes + info.settle_bytes));
    cli_report_certificate(&c, over);
    return CLI_OK;
}

/* Says why pst_compile failed, with the name of the file that it is about. */
static int compile_failed(const arguments *a) {
    pst_error e;
    PST_INIT(e);
    pst_last_error(&e);
    const char *message = e.message ? e.message : pst_status_name(e.status);
    bool about = a->calibrate && e.item && strcmp(e.item, "calibration") == 0;
    const char *file = !about ? a->checkpoint : strcmp(a->calibrate, "-") == 0 ? "standard input" : a->calibrate;
    if (e.status != PST_E_TOLERANCE)
        return cli_error("%s: %s", file, message);
    cli_error("%s: %s; nothing was written", file, message);
    return CLI_FAILED;
}

static int compile_to(const arguments *a, const pst_model *model, const pst_compile_options *o, const char *target) {
    pst_program *program = NULL;
    pst_status status = pst_compile(model, o, &program);
    cli_progress_end();
    if (status != PST_OK) {
        return compile_failed(a);
    }
    int result = CLI_OK;
    if (pst_program_save(program, target) != PST_OK)
        result = cli_library_error(NULL);
    if (result == CLI_OK)
        result = print_result(a, o, program);
    pst_program_free(program);
    return result;
}

int cli_compile(int argc, char **argv) {
    arguments a = {0};
    const cli_option table[] = {
        {"output", 'o', "M.pstk", "where the program goes; needed", &a.output},
        {"format", 'f', "F", "f32, bf16, w8a16 or w8a8; needed", &a.format},
        {"calibrate", 0, "X.npy", "your own input, .npy or CSV: [T, input] or [sequences, T, input]", &a.calibrate},
        {"prefix", 0, "P", "take only tensors whose names begin with P", &a.prefix},
        {"seed", 0, "N", "1 or more: of the noise that certifies without --calibrate; default 20220930", &a.seed},
        {"steps", 0, "N", "certify over all sequences, at most N steps of each", &a.steps},
        {"tolerance", 0, "E|abs:E", "exit 1, write nothing, if relative rms (abs: max) error is above E", &a.tolerance},
        {"json", 0, NULL, "print JSON", &a.json},
        {0},
    };
    const cli_usage usage = {"compile", "CHECKPOINT -o M.pstk --format F [OPTION]...",
                             "Compiles a .safetensors checkpoint into a program, runs it against the float64\n"
                             "reference, and prints its certificate: the error over your calibration input,\n"
                             "or without one over seeded noise.",
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
    if (!a.output)
        return cli_error("--output is missing: -o M.pstk says where the program goes");
    if (!a.format)
        return cli_error("--format is missing: f32, bf16, w8a16 or w8a8");
    if (!cli_level_check() || !check_format(a.format) || !fill_options(&a, &o))
        return CLI_BAD;
    if (cli_would_replace(a.output, a.checkpoint) || (a.calibrate && cli_would_replace(a.output, a.calibrate)))
        return CLI_BAD;
    if (strcmp(a.output, "-") == 0)
        return cli_error("a program is written to a file, not to standard output (a file named -: -o ./-)");
    char *target = cli_file_target(a.output);
    if (!target)
        return CLI_BAD;
    pst_model *model = NULL;
    cli_array calibration = {0};
    int result = read_model(&a, &model);
    if (result == CLI_OK)
        result = read_calibration(&a, model, &calibration, &o);
    if (result == CLI_OK)
        result = compile_to(&a, model, &o, target);
    cli_array_free(&calibration);
    pst_model_free(model);
    free(target);
    return result;
}

/* Formats as given on the command line: see formats.h. */
#include "formats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "penstock.h"

bool cli_format_is_auto(const char *format) {
    return strcmp(format, "auto") == 0;
}

const char *cli_format_option(const char *field, const char **message) {
    static const char *const options[][2] = {
        {"format", "--format"}, {"format of a layer", "--format-layer"}, {"group", "--group"}, {"cores", "--cores"}};
    for (size_t i = 0; field && *message && i < sizeof options / sizeof *options; i++) {
        size_t n = strlen(field);
        if (strcmp(field, options[i][0]) == 0 && strncmp(*message, field, n) == 0 &&
            strncmp(*message + n, ": ", 2) == 0) {
            *message += n + 2;
            return options[i][1];
        }
    }
    return NULL;
}

/* Asks the library, by compiling a single weight: a wrong name should be told before a large checkpoint is read, and
 * the list of formats is the library's. `where` begins a message about the format. */
static bool ask(const char *where, const char *format, uint32_t group) {
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
    o.group = group;
    o.flags = PST_COMPILE_UNCERTIFIED;
    pst_model *model = NULL;
    pst_program *program = NULL;
    bool good = pst_model_create(layers, 1, NULL, &model) == PST_OK && pst_compile(model, &o, &program) == PST_OK;
    if (!good) {
        pst_error e;
        PST_INIT(e);
        pst_last_error(&e);
        const char *message = e.message ? e.message : pst_status_name(e.status);
        const char *option = cli_format_option(e.field, &message);
        if (option && strcmp(option, "--format") == 0)
            option = where;
        cli_error("%s%s%s", option ? option : "", option ? ": " : "", message);
    }
    pst_program_free(program);
    pst_model_free(model);
    return good;
}

bool cli_format_check(const char *format, uint32_t group) {
    return ask("--format", cli_format_is_auto(format) ? "f32" : format, group);
}

/* One LAYER=FORMAT of n characters, which end with the text or with a ';'. */
static bool check_layer_format(const char *text, size_t n, uint64_t *layer) {
    char where[64], format[160];
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 9 || text[digits] != '=') {
        cli_error("--format-layer: expected LAYER=FORMAT, as 0=w8a16, found '%.*s'", (int)n, text);
        return false;
    }
    *layer = strtoull(text, NULL, 10);
    snprintf(where, sizeof where, "--format-layer: layer %llu", (unsigned long long)*layer);
    const char *from = text + digits + 1;
    n -= digits + 1;
    if (n >= sizeof format) {
        cli_error("%s: a format of %zu characters", where, n);
        return false;
    }
    memcpy(format, from, n);
    format[n] = 0;
    return ask(where, format, 0);
}

/* All of "0=w8a16;2=w4r"; layers[] are those of the *count seen before. */
static bool check_layer_formats(const char *text, uint64_t *layers, size_t *count) {
    for (;;) {
        size_t n = strcspn(text, ";");
        uint64_t *layer = &layers[*count];
        if (!check_layer_format(text, n, layer))
            return false;
        for (size_t i = 0; i < *count; i++)
            if (layers[i] == *layer) {
                cli_error("--format-layer: layer %llu is given twice", (unsigned long long)*layer);
                return false;
            }
        ++*count;
        if (!text[n])
            return true;
        text += n + 1;
    }
}

bool cli_layer_formats(const char *const *given, char **out) {
    size_t bytes = 0, pieces = 0, count = 0;
    *out = NULL;
    for (size_t i = 0; given[i]; i++) {
        bytes += strlen(given[i]) + 1;
        pieces++;
        for (const char *c = given[i]; *c; c++)
            pieces += *c == ';';
    }
    if (bytes == 0)
        return true;
    char *text = malloc(bytes);
    uint64_t *layers = malloc(pieces * sizeof *layers);
    bool good = text && layers;
    if (!good)
        cli_error("no memory for --format-layer");
    char *at = text;
    for (size_t i = 0; good && given[i]; i++) {
        size_t n = strlen(given[i]);
        good = check_layer_formats(given[i], layers, &count);
        memcpy(at, given[i], n);
        at[n] = given[i + 1] ? ';' : 0;
        at += n + 1;
    }
    free(layers);
    if (good)
        *out = text;
    else
        free(text);
    return good;
}

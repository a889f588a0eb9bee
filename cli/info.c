/* penstock info: what a program or a checkpoint is made of. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "certificates.h"
#include "commands.h"
#include "json.h"
#include "matrices.h"
#include "options.h"
#include "output.h"
#include "penstock.h"
#include "report.h"
#include "session.h"

/* One of the two is set. */
typedef struct {
    pst_model *model;
    pst_program *program;
} subject;

static pst_status get_info(const subject *s, pst_info *info) {
    return s->program ? pst_program_get_info(s->program, info) : pst_model_get_info(s->model, info);
}

static pst_status get_layer(const subject *s, uint32_t i, pst_layer_info *l) {
    PST_INIT(*l);
    return s->program ? pst_program_get_layer(s->program, i, l) : pst_model_get_layer(s->model, i, l);
}

/* A scale of h, or a rho; `there` is false for layers that have none. */
static void print_factor(bool there, double value) {
    if (there)
        printf(" %10.9g", value);
    else
        printf(" %10s", "-");
}

/* Whether part of what W_ih adds comes a step late: rho is then what the next step gets of it. */
static int has_input_rest(const subject *s, uint32_t layer, const pst_layer_info *l, bool *there) {
    *there = false;
    for (uint32_t k = 0; k < l->matrices; k++) {
        pst_matrix_info m;
        PST_INIT(m);
        if (pst_program_get_matrix(s->program, layer, k, &m) != PST_OK)
            return cli_library_error(NULL);
        *there |= strcmp(m.name, "W_ih rest") == 0;
    }
    return CLI_OK;
}

/* alpha and beta of the functions that take them; the others have 0 in both. */
static void print_attributes(const pst_layer_info *l) {
    static const char *const both[] = {"clip", "hard_sigmoid"}, *const first[] = {"leaky_relu", "elu"};
    bool beta = l->beta != 0, alpha = l->alpha != 0;
    for (int i = 0; l->function && i < 2; i++) {
        beta |= strcmp(l->function, both[i]) == 0;
        alpha |= strcmp(l->function, first[i]) == 0;
    }
    if (alpha || beta)
        printf("  alpha %g", l->alpha);
    if (beta)
        printf(", beta %g", l->beta);
}

static int print_layers(const subject *s, const pst_info *info) {
    printf("\n%5s  %-10s %-12s %8s %8s %13s", "layer", "kind", "function", "inputs", "outputs", "parameters");
    if (s->program)
        printf("  %-6s %-6s %13s %13s %11s %10s %10s %10s", "W_ih", "W_hh", "critical", "settle", "padding", "h scale",
               "in 8 bits", "rho");
    printf("\n");
    for (uint32_t i = 0; i < info->layers; i++) {
        pst_layer_info l;
        if (get_layer(s, i, &l) != PST_OK)
            return cli_library_error(NULL);
        printf("%5u  %-10s %-12s %8s %8s %13s", i, l.kind, l.function ? l.function : "-", cli_grouped(l.inputs),
               cli_grouped(l.outputs), cli_grouped(l.parameters));
        if (s->program) {
            printf("  %-6s %-6s %13s %13s %11s", l.input_encoding ? l.input_encoding : "-",
                   l.recurrent_encoding ? l.recurrent_encoding : "-", cli_grouped(l.critical_bytes),
                   cli_grouped(l.settle_bytes), cli_grouped(l.padding_bytes));
            bool rest;
            if (has_input_rest(s, i, &l, &rest) != CLI_OK)
                return CLI_BAD;
            print_factor(l.h_scale > 0, l.h_scale);
            print_factor(l.h_scale_8 > 0, l.h_scale_8);
            print_factor(rest, l.rho);
        }
        print_attributes(&l);
        printf("\n");
    }
    return CLI_OK;
}

static int print_text(const char *path, const subject *s, const pst_info *info) {
    if (s->program)
        printf("%s: program, format %s, hash %016llx\n", path, info->format, (unsigned long long)info->hash);
    else
        printf("%s: checkpoint\n", path);
    printf("inputs %s, outputs %s, parameters %s\n", cli_grouped(info->inputs), cli_grouped(info->outputs),
           cli_grouped(info->parameters));
    printf("readout %s\n", info->readout);
    if (s->program)
        printf("%s bytes read by respond, %s by settle, %s of them padding; a saved state has %s\n",
               cli_grouped(info->critical_bytes), cli_grouped(info->settle_bytes), cli_grouped(info->padding_bytes),
               cli_grouped(info->state_bytes));
    int result = print_layers(s, info);
    if (result != CLI_OK || !s->program)
        return result;
    printf("\n");
    result = cli_print_matrices(s->program);
    printf("\n");
    return result == CLI_OK ? cli_print_certificates(s->program, NULL) : result;
}

static void print_encoding(const char *name, const char *encoding) {
    if (encoding)
        cli_json_string(name, encoding);
}

static int print_json(const char *path, const subject *s, const pst_info *info) {
    cli_json_open(NULL, '{');
    cli_json_string("file", path);
    cli_json_string("kind", s->program ? "program" : "checkpoint");
    cli_report_info_json(info);
    cli_json_open("layers", '[');
    for (uint32_t i = 0; i < info->layers; i++) {
        pst_layer_info l;
        if (get_layer(s, i, &l) != PST_OK)
            return cli_library_error(NULL);
        cli_json_open(NULL, '{');
        cli_json_string("kind", l.kind);
        if (l.function) {
            cli_json_string("function", l.function);
            cli_json_number("alpha", l.alpha);
            cli_json_number("beta", l.beta);
        }
        cli_json_whole("inputs", l.inputs);
        cli_json_whole("outputs", l.outputs);
        cli_json_whole("parameters", l.parameters);
        if (s->program) {
            print_encoding("input_encoding", l.input_encoding);
            print_encoding("recurrent_encoding", l.recurrent_encoding);
            cli_json_whole("critical_bytes", l.critical_bytes);
            cli_json_whole("settle_bytes", l.settle_bytes);
            cli_json_whole("padding_bytes", l.padding_bytes);
            bool rest;
            if (has_input_rest(s, i, &l, &rest) != CLI_OK)
                return CLI_BAD;
            if (l.h_scale > 0)
                cli_json_number("h_scale", l.h_scale);
            if (l.h_scale_8 > 0)
                cli_json_number("h_scale_8", l.h_scale_8);
            if (rest)
                cli_json_number("rho", l.rho);
        }
        cli_json_close();
    }
    cli_json_close();
    int result = s->program ? cli_print_matrices_json(s->program) : CLI_OK;
    if (s->program && result == CLI_OK)
        result = cli_print_certificates_json(s->program, NULL);
    cli_json_close();
    return result;
}

int cli_info(int argc, char **argv) {
    const char *path, *json = NULL, *prefix = NULL;
    const cli_option table[] = {
        {"prefix", 0, "P", "of a checkpoint: take only tensors whose names begin with P", &prefix},
        {"json", 0, NULL, "print JSON", &json},
        {0},
    };
    const cli_usage usage = {"info", "M.pstk|CHECKPOINT [OPTION]...",
                             "Prints the layers of a program or of a .safetensors checkpoint, their sizes and\n"
                             "encodings, and of a program also its matrices, its certificates and its hash.",
                             "M.pstk", table};
    switch (cli_parse(&usage, argc, argv, &path)) {
    case CLI_HELPED:
        return CLI_OK;
    case CLI_REFUSED:
        return CLI_BAD;
    case CLI_GO:
        break;
    }
    subject s = {0};
    pst_status status;
    if (cli_is_checkpoint(path)) {
        pst_read_options o;
        PST_INIT(o);
        o.prefix = prefix;
        status = pst_model_read(path, &o, &s.model);
    } else if (prefix) {
        return cli_error("%s: --prefix is for checkpoints, and this is none", path);
    } else {
        status = pst_program_open(path, &s.program);
    }
    pst_info info;
    PST_INIT(info);
    if (status != PST_OK || get_info(&s, &info) != PST_OK)
        return cli_library_error(NULL);
    int result = (json ? print_json : print_text)(path, &s, &info);
    pst_program_free(s.program);
    pst_model_free(s.model);
    return result;
}

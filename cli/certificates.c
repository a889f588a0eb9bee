/* Certificates of a program: see certificates.h. */
#include "certificates.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "json.h"
#include "output.h"
#include "report.h"

/* Whether what is missing of n is the fifth that is held back. */
static bool is_fifth(uint64_t missing, uint64_t n) {
    return missing > 0 && missing == n / 5;
}

/* Whether all that the certificate did not run is what was held back: of the sequences if there are 5, else of the
 * steps of each. */
static bool all_but_held_back(const pst_certificate *c, const cli_calibration *input) {
    if (!input->shared)
        return false;
    if (input->sequences >= 5)
        return c->steps == input->steps && is_fifth(input->sequences - c->sequences, input->sequences);
    return c->sequences == input->sequences && is_fifth(input->steps - c->steps, input->steps);
}

/* How much of the calibration the certificate ran: the first steps of the first sequences. */
static void print_part(const pst_certificate *c, const cli_calibration *input) {
    char first[64] = "the first";
    if (c->steps == input->steps && c->sequences == input->sequences) {
        printf(", %s of %s\n", cli_count(c->sequences, "sequence"), cli_count(c->steps, "step"));
        return;
    }
    if (c->sequences > 1)
        snprintf(first, sizeof first, "the first %s", cli_grouped(c->sequences));
    if (c->sequences == input->sequences)
        printf(", %s, the first %s of %s %s", cli_count(c->sequences, "sequence"), cli_grouped(c->steps),
               c->sequences == 1 ? "its" : "their", cli_count(input->steps, "step"));
    else if (c->steps == input->steps)
        printf(", %s of its %s of %s", first, cli_count(input->sequences, "sequence"), cli_count(c->steps, "step"));
    else
        printf(", %s of its %s, the first %s of %s %s", first, cli_count(input->sequences, "sequence"),
               cli_grouped(c->steps), c->sequences == 1 ? "its" : "their", cli_count(input->steps, "step"));
    printf("; %s\n", all_but_held_back(c, input) ? "the rest is held back" : "--steps N for more");
}

static void print_sentence(const pst_certificate *c, const cli_calibration *input) {
    printf("certificate: against float64 over ");
    if (c->from_caller && input)
        printf("the calibration input %s", input->name);
    else if (c->from_caller)
        printf("calibration input");
    else
        printf("seeded noise (seed %llu)", (unsigned long long)c->seed);
    if (c->from_caller && input)
        print_part(c, input);
    else
        printf(", %s of %s\n", cli_count(c->sequences, "sequence"), cli_count(c->steps, "step"));
}

/* A program that a library before this one wrote says only whose the input was. */
static const char *over(const pst_certificate *c) {
    return c->over ? c->over : c->from_caller ? "calibration" : "noise";
}

static void print_number(int width, const char *form, double value, const char *otherwise) {
    char text[40];
    if (isnan(value)) {
        printf(" %*s", width, otherwise);
        return;
    }
    if (strcmp(form, "error") == 0)
        snprintf(text, sizeof text, "%.3e", value);
    else
        snprintf(text, sizeof text, "%.3g", value);
    printf(" %*s", width, text);
}

static void print_row(const pst_certificate *c) {
    printf("  %-12s %9s %9s", over(c), cli_grouped(c->sequences), cli_grouped(c->steps));
    print_number(11, "error", c->max_abs, "-");
    print_number(11, "error", c->rms, "-");
    print_number(11, "error", c->relative_rms, "undefined");
    print_number(8, "ratio", c->drift, "-");
    print_number(15, "error", c->constant_rms, "-");
    printf("  %s of sequence %s, output %u\n", cli_grouped(c->worst_step), cli_grouped(c->worst_sequence),
           c->worst_output);
}

/* Number `index`; PST_E_EMPTY beyond the last. */
static pst_status get(const pst_program *program, uint32_t index, pst_certificate *c) {
    PST_INIT(*c);
    return pst_program_get_certificate(program, index, c);
}

int cli_print_certificates(const pst_program *program, const cli_calibration *input) {
    pst_certificate c;
    pst_status status = get(program, 0, &c);
    if (status == PST_E_EMPTY) {
        printf("certificate: none; the program was compiled without one\n");
        return CLI_OK;
    }
    bool noise = !c.from_caller, undefined = false;
    for (uint32_t i = 0; status == PST_OK; status = get(program, ++i, &c)) {
        if (i == 0) {
            print_sentence(&c, input);
            printf("  %-12s %9s %9s %11s %11s %11s %8s %15s  %s\n", "over", "sequences", "steps", "max error",
                   "rms error", "relative", "drift", "constant's rms", "worst step, counted from 0");
        }
        print_row(&c);
        undefined |= isnan(c.relative_rms);
    }
    if (status != PST_E_EMPTY)
        return cli_library_error(NULL);
    if (undefined)
        printf("  A relative rms error is undefined where the expected outputs are constant.\n");
    if (noise)
        printf("  An error on noise is not an error on your data: --calibrate compiles and certifies over yours.\n");
    return CLI_OK;
}

static void print_json(const char *name, const pst_certificate *c, const cli_calibration *input) {
    cli_json_open(name, '{');
    cli_json_string("over", over(c));
    cli_json_string("input_kind", c->from_caller ? "calibration" : "noise");
    if (c->from_caller)
        cli_json_string("seed", NULL);
    else
        cli_json_whole("seed", c->seed);
    if (c->from_caller && input) {
        cli_json_whole("calibration_sequences", input->sequences);
        cli_json_whole("calibration_steps", input->steps);
    }
    cli_report_errors_json(c);
    cli_json_close();
}

int cli_print_certificates_json(const pst_program *program, const cli_calibration *input) {
    pst_certificate c;
    pst_status status = get(program, 0, &c);
    if (status == PST_OK)
        print_json("certificate", &c, input);
    else
        cli_json_string("certificate", NULL);
    cli_json_open("certificates", '[');
    for (uint32_t i = 0; status == PST_OK; status = get(program, ++i, &c))
        print_json(NULL, &c, NULL);
    cli_json_close();
    return status == PST_E_EMPTY ? CLI_OK : cli_library_error(NULL);
}

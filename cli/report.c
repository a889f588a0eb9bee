/* What several commands print: see report.h. */
#include "report.h"

#include <math.h>
#include <stdio.h>

#include "json.h"
#include "output.h"

void cli_report_errors(const pst_certificate *c) {
    printf("  max error           %.3e  (output %u at step %s of sequence %s, all counted from 0)\n", c->max_abs,
           c->worst_output, cli_grouped(c->worst_step), cli_grouped(c->worst_sequence));
    printf("  rms error           %.3e\n", c->rms);
    if (isnan(c->relative_rms))
        printf("  relative rms error  undefined: the expected outputs are constant\n");
    else
        printf("  relative rms error  %.3e\n", c->relative_rms);
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
    printf("; --steps N for more\n");
}

void cli_report_certificate(const pst_certificate *c, const cli_calibration *input) {
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
    cli_report_errors(c);
    if (!c->from_caller)
        printf("  An error on noise is not an error on your data: --calibrate compiles and certifies over yours.\n");
}

void cli_report_errors_json(const pst_certificate *c) {
    cli_json_whole("sequences", c->sequences);
    cli_json_whole("steps", c->steps);
    cli_json_number("max_abs_error", c->max_abs);
    cli_json_number("rms_error", c->rms);
    cli_json_number("relative_rms_error", c->relative_rms);
    cli_json_whole("worst_output", c->worst_output);
    cli_json_whole("worst_step", c->worst_step);
    cli_json_whole("worst_sequence", c->worst_sequence);
}

void cli_report_certificate_json(const pst_certificate *c, const cli_calibration *input) {
    if (!c) {
        cli_json_string("certificate", NULL);
        return;
    }
    cli_json_open("certificate", '{');
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

void cli_report_info_json(const pst_info *info) {
    char hash[24];
    cli_json_string("format", info->format);
    cli_json_whole("layer_count", info->layers);
    cli_json_whole("inputs", info->inputs);
    cli_json_whole("outputs", info->outputs);
    cli_json_whole("parameters", info->parameters);
    cli_json_string("readout", info->readout);
    if (!info->format)
        return;
    cli_json_whole("critical_bytes", info->critical_bytes);
    cli_json_whole("settle_bytes", info->settle_bytes);
    cli_json_whole("padding_bytes", info->padding_bytes);
    cli_json_whole("state_bytes", info->state_bytes);
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)info->hash);
    cli_json_string("hash", hash);
}

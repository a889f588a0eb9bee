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

void cli_report_errors_json(const pst_certificate *c) {
    cli_json_whole("sequences", c->sequences);
    cli_json_whole("steps", c->steps);
    cli_json_number("max_abs_error", c->max_abs);
    cli_json_number("rms_error", c->rms);
    cli_json_number("relative_rms_error", c->relative_rms);
    cli_json_whole("worst_output", c->worst_output);
    cli_json_whole("worst_step", c->worst_step);
    cli_json_whole("worst_sequence", c->worst_sequence);
    cli_json_number("drift", c->drift);
    cli_json_number("constant_rms_error", c->constant_rms);
    cli_json_number("constant_max_abs_error", c->constant_max_abs);
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

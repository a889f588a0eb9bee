/* What several commands print: certificates and errors, as text and as JSON. */
#ifndef PENSTOCK_CLI_REPORT_H
#define PENSTOCK_CLI_REPORT_H

#include "penstock.h"

/* Three lines: the errors, and where the largest one was found. */
void cli_report_errors(const pst_certificate *c);
/* A calibration input: its name, and how much there is of it. */
typedef struct {
    const char *name;
    uint64_t sequences, steps;
} cli_calibration;

/* The same with the sentence that says over what it was taken; `input` is NULL if there was no calibration, or if no
 * more is known of it than the certificate says. */
void cli_report_certificate(const pst_certificate *c, const cli_calibration *input);
/* Members of the JSON object that is open. */
void cli_report_errors_json(const pst_certificate *c);
/* A member "certificate". c NULL: null. `input` as above. */
void cli_report_certificate_json(const pst_certificate *c, const cli_calibration *input);
/* Members of the JSON object that is open: what a model or program is made of. */
void cli_report_info_json(const pst_info *info);

#endif

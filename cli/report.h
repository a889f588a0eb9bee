/* What several commands print: certificates and errors, as text and as JSON. */
#ifndef PENSTOCK_CLI_REPORT_H
#define PENSTOCK_CLI_REPORT_H

#include "penstock.h"

/* Three lines: the errors, and where the largest one was found. */
void cli_report_errors(const pst_certificate *c);
/* The same with the sentence that says over what it was taken; `input` is the calibration's name or NULL. */
void cli_report_certificate(const pst_certificate *c, const char *input);
/* Members of the JSON object that is open. */
void cli_report_errors_json(const pst_certificate *c);
/* A member "certificate". c NULL: null. */
void cli_report_certificate_json(const pst_certificate *c);
/* Members of the JSON object that is open: what a model or program is made of. */
void cli_report_info_json(const pst_info *info);

#endif

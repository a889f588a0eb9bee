/* What several commands print: errors and sizes, as text and as JSON. */
#ifndef PENSTOCK_CLI_REPORT_H
#define PENSTOCK_CLI_REPORT_H

#include "penstock.h"

/* Three lines: the errors, and where the largest one was found. */
void cli_report_errors(const pst_certificate *c);
/* Members of the JSON object that is open. */
void cli_report_errors_json(const pst_certificate *c);
/* Members of the JSON object that is open: what a model or program is made of. */
void cli_report_info_json(const pst_info *info);

#endif

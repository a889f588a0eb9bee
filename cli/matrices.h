/* The matrices of a program, how each is held and what that costs, as a table and as JSON. */
#ifndef PENSTOCK_CLI_MATRICES_H
#define PENSTOCK_CLI_MATRICES_H

#include "penstock.h"

/* An exit status, as all here. */
int cli_print_matrices(const pst_program *program);
/* One line of what calibrated rounding has gained, where there was any. */
int cli_print_rounding(const pst_program *program);
/* A member "matrices" of the JSON object that is open. */
int cli_print_matrices_json(const pst_program *program);

#endif

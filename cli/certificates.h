/* Certificates of a program, as a table and as JSON. */
#ifndef PENSTOCK_CLI_CERTIFICATES_H
#define PENSTOCK_CLI_CERTIFICATES_H

#include <stdbool.h>

#include "penstock.h"

/* A calibration input: its name, how much there is of it, and whether a part of it was left to be held back. */
typedef struct {
    const char *name;
    uint64_t sequences, steps;
    bool shared;
} cli_calibration;

/* The sentence that says over what the first was taken, and a row for each. `input` is NULL if there was no
 * calibration, or if no more is known of it than the certificate says. An exit status. */
int cli_print_certificates(const pst_program *program, const cli_calibration *input);
/* Members "certificate", the first or null, and "certificates", all, of the JSON object that is open. */
int cli_print_certificates_json(const pst_program *program, const cli_calibration *input);

#endif

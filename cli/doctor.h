/* What doctor finds, and the two ways of printing it. */
#ifndef PENSTOCK_CLI_DOCTOR_H
#define PENSTOCK_CLI_DOCTOR_H

#include <stdio.h>

#include "host_facts.h"
#include "host_pairs.h"
#include "lab/estimate.h"
#include "penstock.h"

enum { DOCTOR_MODELS = 4, DOCTOR_FORMATS = 2 };

/* One model in one format. */
typedef struct {
    const char *model, *format;
    pst_program *program;
    lab_estimate one, best; /* on one core, and on the best number of those that may be used */
} doctor_row;

typedef struct {
    pst_host host;
    host_pairs pairs;
    host_facts facts;
    double clock_us; /* a pair of clock readings */
    size_t cores;    /* most that an engine should have here: own cores, within the quota */
    doctor_row row[DOCTOR_MODELS * DOCTOR_FORMATS];
    char verdict[1024];
} doctor;

/* Appends what was measured to the facts: hiccups, cores shared, hops. */
void doctor_judge(doctor *d);
/* Makes the estimates and the verdict. 0, or an exit status after a message. */
int doctor_estimate(doctor *d);

void doctor_print(const doctor *d);                /* to stdout */
void doctor_print_json(const doctor *d, FILE *to); /* the man page has the schema */

#endif

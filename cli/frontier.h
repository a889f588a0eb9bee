/* What a search for a format has tried, as a table and as JSON. */
#ifndef PENSTOCK_CLI_FRONTIER_H
#define PENSTOCK_CLI_FRONTIER_H

#include "penstock.h"

/* Zeros: nothing tried. */
typedef struct {
    pst_frontier *rows;   /* texts are its own */
    uint32_t count, lost; /* lost: 1 if there was no memory for one */
} cli_frontier;

/* A pst_tried; user: a cli_frontier. */
void cli_frontier_add(void *user, const pst_frontier *tried);
/* cores: on how many the formats were timed. */
void cli_print_frontier(const cli_frontier *f, uint32_t cores);
/* A member "frontier" of the JSON object that is open. */
void cli_print_frontier_json(const cli_frontier *f);
void cli_frontier_free(cli_frontier *f);

#endif

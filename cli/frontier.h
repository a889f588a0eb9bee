/* What a search for a format has tried, as a table and as JSON. */
#ifndef PENSTOCK_CLI_FRONTIER_H
#define PENSTOCK_CLI_FRONTIER_H

#include "penstock.h"

/* An exit status, as all here. cores: on how many the formats were timed. */
int cli_print_frontier(const pst_program *program, uint32_t cores);
/* A member "frontier" of the JSON object that is open. */
int cli_print_frontier_json(const pst_program *program);

#endif

/* JSON: commas, escapes and numbers are looked after here. */
#ifndef PENSTOCK_CLI_JSON_H
#define PENSTOCK_CLI_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Where it is written from now on; NULL, and until the first call: stdout. Not inside an object. */
void cli_json_to(FILE *stream);

/* Every call takes the member's name, or NULL inside an array and for the outermost object. */
void cli_json_open(const char *name, char bracket);        /* '{' or '[' */
void cli_json_close(void);                                 /* the innermost; after the outermost a newline follows */
void cli_json_string(const char *name, const char *value); /* NULL: null */
void cli_json_whole(const char *name, uint64_t value);
void cli_json_bool(const char *name, bool value);
/* The shortest digits that read back as the same double; NaN and infinities, which JSON lacks, are null. */
void cli_json_number(const char *name, double value);

#endif

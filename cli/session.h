/* A program opened on an engine, for the commands that run one. */
#ifndef PENSTOCK_CLI_SESSION_H
#define PENSTOCK_CLI_SESSION_H

#include "array.h"
#include "penstock.h"

typedef struct {
    pst_program *program;
    pst_engine *engine;
    pst_info info;
    pst_engine_info engine_info;
} cli_session;

/* Whether a file looks like a .safetensors checkpoint and not like a program. */
bool cli_is_checkpoint(const char *path);

/* Whether a file begins as a program does. */
bool cli_is_program(const char *path);

/* Opens a .pstk on `cores` cores, at most at the level of PENSTOCK_ISA. CLI_OK, or CLI_BAD with a message. */
int cli_session_open(const char *path, uint32_t cores, cli_session *s);
void cli_session_close(cli_session *s);

/* Runs every sequence of x, each on a stream of its own, into y [sequences, steps, outputs]; shows progress. CLI_OK, or
 * CLI_BAD with a message. `name` is the input's, for messages. */
int cli_session_run(cli_session *s, const char *name, const cli_array *x, float *y);
/* The memory for that y, from malloc; NULL with a message. */
float *cli_session_outputs(const cli_session *s, const cli_array *x);

#endif

/* Progress of long work: one line on stderr, only where that is a terminal. */
#ifndef PENSTOCK_CLI_PROGRESS_H
#define PENSTOCK_CLI_PROGRESS_H

/* A pst_progress: shows `done` in [0, 1] and the stage, at most ten times a second. Never cancels. */
int cli_progress(void *user, double done, const char *stage);
/* Wipes the line, if there is one. */
void cli_progress_end(void);

#endif

/* Progress of long work: see progress.h. */
#include "progress.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool shown;
static struct timespec last;

int cli_progress(void *user, double done, const char *stage) {
    (void)user;
    if (!isatty(fileno(stderr)))
        return 0;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double since = (double)(now.tv_sec - last.tv_sec) + 1e-9 * (double)(now.tv_nsec - last.tv_nsec);
    if (shown && since < 0.1)
        return 0;
    fprintf(stderr, "\r%-32.32s %3d %%", stage ? stage : "", (int)(done * 100));
    fflush(stderr);
    shown = true;
    last = now;
    return 0;
}

void cli_progress_end(void) {
    if (!shown)
        return;
    fprintf(stderr, "\r%*s\r", 40, "");
    fflush(stderr);
    shown = false;
}

/* What certificates are over: the names, and their numbers in files. */
#include <string.h>

#include "program/program.h"

static const char *const names[PSTI_OVERS] = {"calibration", "noise",       "held-back", "long run",
                                              "step change", "after reset", "saturated", "spikes",
                                              "zero",        "alternating", "tiny"};

int psti_over_find(const char *name) {
    for (int i = 0; name && i < PSTI_OVERS; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

const char *psti_over_name(uint32_t number) {
    return number < PSTI_OVERS ? names[number] : NULL;
}

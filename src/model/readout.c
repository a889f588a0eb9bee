/* Readouts: which outputs the source of a model gives. */
#include <string.h>

#include "model/model.h"

const char *const psti_readout_names[PSTI_READOUTS] = {[PSTI_READOUT_ALL] = "all", [PSTI_READOUT_LAST] = "last"};

int psti_readout_find(const char *name) {
    for (int i = 0; i < PSTI_READOUTS; i++) {
        if (strcmp(name, psti_readout_names[i]) == 0) {
            return i;
        }
    }
    return -1;
}

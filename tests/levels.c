/* Prints the instruction set levels that this machine and this build have, one a line: tests/run asks. */
#include "penstock.h"
#include <stdio.h>

int main(void) {
    const char *const *names;
    size_t count;
    pst_levels(&names, &count);
    for (size_t i = 0; i < count; i++) {
        puts(names[i]);
    }
    return 0;
}

/* A program from outside: it sees only what is installed. Prints the library's version and checks it against the
 * header's. */
#include <penstock.h>
#include <stdio.h>

int main(void) {
    char expected[64];
    snprintf(expected, sizeof expected, "%d.%d.%d", PST_VERSION_MAJOR, PST_VERSION_MINOR, PST_VERSION_PATCH);
    if (strcmp(pst_version(), expected) != 0) {
        fprintf(stderr, "the header is %s, the library %s\n", expected, pst_version());
        return 1;
    }
    puts(pst_version());
    return 0;
}

/* The command line: options from a table, the help made from the same table, and checked numbers. */
#ifndef PENSTOCK_CLI_OPTIONS_H
#define PENSTOCK_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One option. A table ends with a row whose name is NULL; --help is known to every table without a row. */
typedef struct {
    const char *name;     /* without the dashes: "output" */
    char letter;          /* its short form, or 0 */
    const char *argument; /* the value's name in the help; NULL: a flag, which takes none */
    const char *help;     /* one line */
    const char **value;   /* where the value goes; a flag's becomes "" */
} cli_option;

/* An option whose argument ends with "..." may be given so often; its value is then an array of CLI_REPEATS + 1, whose
 * first NULL ends what was given. */
enum { CLI_REPEATS = 64 };

typedef struct {
    const char *command;     /* "run"; NULL for the program itself */
    const char *usage;       /* what follows the command's name: "M.pstk --input X" */
    const char *about;       /* lines of text */
    const char *operand;     /* what the one operand is called in messages: "M.pstk"; NULL: none is taken */
    const cli_option *table; /* ends with a row without a name */
} cli_usage;

enum cli_parsed { CLI_GO, CLI_HELPED, CLI_REFUSED };

/* Reads argv[1..]: values into the table, the one operand into *operand. CLI_HELPED: --help was there and has been
 * printed. CLI_REFUSED: the message has been printed. */
enum cli_parsed cli_parse(const cli_usage *usage, int argc, char **argv, const char **operand);
void cli_print_help(const cli_usage *usage);

/* The name in the NULL-ended list that `word` may have been meant for, or NULL. */
const char *cli_nearest(const char *word, const char *const *names);

/* A whole number in [least, most]; false with a message. `what` is the option: "--cores". */
bool cli_number(const char *what, const char *text, uint64_t least, uint64_t most, uint64_t *out);

/* E or abs:E, E a finite number >= 0. */
typedef struct {
    bool absolute;
    double limit;
} cli_tolerance;
bool cli_parse_tolerance(const char *text, cli_tolerance *out);

/* The best level here that is not above PENSTOCK_ISA; NULL if that is unset or empty. The library reads no environment:
 * this goes into the options of what runs an engine. */
const char *cli_level(void);
/* Whether PENSTOCK_ISA is the name of a level, or unset; false with a message that lists them. */
bool cli_level_check(void);

#endif

/* The commands of the program. Each takes its own arguments, argv[0] being the command's name, and returns an exit
 * status. */
#ifndef PENSTOCK_CLI_COMMANDS_H
#define PENSTOCK_CLI_COMMANDS_H

enum {
    CLI_OK = 0,
    CLI_FAILED = 1, /* a comparison failed: verify, or compile's tolerance */
    CLI_BAD = 2     /* bad input or use, or the output could not be written */
};

int cli_compile(int argc, char **argv);
int cli_info(int argc, char **argv);
int cli_run(int argc, char **argv);
int cli_verify(int argc, char **argv);
int psti_command_bench(int argc, char **argv); /* bench.c */
int cli_doctor(int argc, char **argv);

#endif

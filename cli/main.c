/* penstock: the command line. Chooses the command; each has a file of its own. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "options.h"
#include "output.h"
#include "penstock.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *about;
} commands[] = {
    {"compile", cli_compile, "compile a checkpoint into a program, and certify its error"},
    {"info", cli_info, "say what a program or a checkpoint is made of"},
    {"run", cli_run, "run sequences through a program"},
    {"verify", cli_verify, "compare a program's answers with expected ones"},
    {"bench", psti_command_bench, "measure the latency of a step on this machine"},
    {"doctor", cli_doctor, "say what this machine does to latency, and what to change"},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static const struct command *find(const char *name) {
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static void print_usage(FILE *to) {
    fprintf(to, "usage: penstock COMMAND [OPTION]...\n\n"
                "Runs trained LSTM stacks on CPU cores, one timestep at a time, in microseconds.\n\ncommands:\n");
    for (int i = 0; i < COMMANDS; i++)
        fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].about);
    fprintf(to, "\noptions:\n"
                "  -h, --help     print this, or with a command what it takes\n"
                "  -V, --version  print the version\n\n"
                "environment:\n"
                "  PENSTOCK_ISA   highest instruction set level to use: scalar, avx2, avx2_vnni,\n"
                "                 avx512, avx512_vnni, avx512_bf16; default the machine's best\n\n"
                "Exit status: 0, 1 if a comparison failed, 2 for bad input or use.\n");
}

static int refuse(const char *word) {
    const char *names[COMMANDS + 3];
    int n = 0;
    if (word[0] == '-') {
        names[n++] = "--help";
        names[n++] = "--version";
    } else {
        for (int i = 0; i < COMMANDS; i++)
            names[n++] = commands[i].name;
    }
    names[n] = NULL;
    const char *near = cli_nearest(word, names);
    const char *kind = word[0] == '-' ? "unknown option" : "unknown command";
    if (near)
        return cli_error("%s '%s': did you mean '%s'?", kind, word, near);
    return cli_error("%s '%s': see penstock --help", kind, word);
}

/* If a standard descriptor is closed, the next file opened would take its number, and messages would go into it. A
 * descriptor that cannot be used in its direction keeps the number and makes every use an error. */
static int hold_standard_descriptors(void) {
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0)
            return -1;
    return 0;
}

static int dispatch(int argc, char **argv) {
    if (argc < 2) {
        print_usage(stderr);
        return CLI_BAD;
    }
    const char *word = argv[1];
    if (strcmp(word, "help") == 0 && argc == 3) {
        const struct command *c = find(argv[2]);
        char help[] = "--help";
        char *arguments[] = {argv[2], help, NULL};
        if (!c)
            return refuse(argv[2]);
        cli_set_command(c->name);
        return c->run(2, arguments);
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        print_usage(stdout);
        return CLI_OK;
    }
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        printf("penstock %s\n", pst_version());
        return CLI_OK;
    }
    const struct command *c = find(word);
    if (!c)
        return refuse(word);
    cli_set_command(c->name);
    return c->run(argc - 1, argv + 1);
}

int main(int argc, char **argv) {
    if (hold_standard_descriptors() != 0)
        return CLI_BAD;
    /* A reader that went away is an error with a message, not a silent death. */
    signal(SIGPIPE, SIG_IGN);
    return cli_finish_output(dispatch(argc, argv));
}

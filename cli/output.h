/* What the program says and writes: errors, tables, and files that appear whole or not at all. */
#ifndef PENSTOCK_CLI_OUTPUT_H
#define PENSTOCK_CLI_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* The name that messages begin with: "penstock run". Set once a command is known. */
void cli_set_command(const char *command);

/* Prints "penstock COMMAND: message" to stderr, one line; bytes that could drive a terminal are replaced. Always
 * returns CLI_BAD. */
int cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same with the detail of the library's last failing call, after `where`, which may be NULL. */
int cli_library_error(const char *where);

/* Flushes stdout and makes sure that all of it arrived: `status` if so, else CLI_BAD with a message. */
int cli_finish_output(int status);

/* 1234567 as "1,234,567", in one of a few static buffers: at most 8 in one printf. */
const char *cli_grouped(uint64_t n);
/* "1 step", "1,000 steps", in one of a few static buffers: at most 8 in one printf. */
const char *cli_count(uint64_t n, const char *noun);

/* A file being written. Regular files are written under a temporary name beside the target and renamed by
 * cli_file_commit; "-" is stdout, and so is whatever stdout was sent to; other things that exist (pipes, devices) are
 * written to directly. */
typedef struct {
    FILE *stream;
    const char *name; /* for messages */
    char *target, *temporary;
    bool live; /* a pipe or a terminal: whoever reads it may wait for every line */
} cli_file;

/* False with a message. */
bool cli_file_create(const char *path, cli_file *file);
/* cli_file_create before long work whose result goes there: minutes should not end in a name that cannot be written. A
 * file on disk is closed again, so that an interrupt meanwhile leaves nothing behind; a pipe is kept. path NULL: does
 * nothing. False with a message. */
bool cli_file_prepare(const char *path, cli_file *file);
/* Opens what cli_file_prepare closed; false with a message. */
bool cli_file_reopen(const char *path, cli_file *file);
/* Makes the file appear; false with a message, nothing left behind. */
bool cli_file_commit(cli_file *file);
/* Drops what was written; what stood at the path stays. Harmless on a committed or cleared file. */
void cli_file_abandon(cli_file *file);

/* Whether both paths are the same regular file, so that an output would replace an input. "-" is standard output and
 * standard input. Says so in a message. */
bool cli_would_replace(const char *output, const char *input);

/* The path that a new file at `path` must be renamed to: symbolic links followed. From malloc; NULL with a message if
 * something other than a regular file stands there, or a file that may not be written. */
char *cli_file_target(const char *path);

#endif

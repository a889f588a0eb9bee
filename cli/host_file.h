/* Files of /proc and /sys, read so that nothing in them surprises: what is missing or refused is simply not there. */
#ifndef PENSTOCK_CLI_HOST_FILE_H
#define PENSTOCK_CLI_HOST_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A folder in front of every path from now on, so that tests can play other hosts; "" is this host. The string is
 * kept, not copied. */
void host_root(const char *folder);

/* The start of a file as text, at most n - 1 bytes; false, and "" in text, where it cannot be read. */
bool host_text(char *text, size_t n, const char *path, ...) __attribute__((format(printf, 3, 4)));
/* Its first line, without the newline and blanks at its ends, bytes that are not printable ASCII replaced by '?'. */
bool host_line(char *line, size_t n, const char *path, ...) __attribute__((format(printf, 3, 4)));
/* Its first line as a whole number; false where it is not one. */
bool host_number(int64_t *out, const char *path, ...) __attribute__((format(printf, 2, 3)));
bool host_exists(const char *path, ...) __attribute__((format(printf, 1, 2)));

/* In a text of lines "name<separator>value": the value of the first line that begins with `name`, in *value, ended by
 * the line's end, made printable in the same way. */
bool host_value(const char *text, const char *name, char *value, size_t n);

/* The names of processes: whether one of them is `name`. False too where other processes cannot be seen; *seen is how
 * many were. */
bool host_process(const char *name, uint32_t *seen);

/* "0-3,8" of `count` numbers in any order; what does not fit is left out. */
void host_ranges(const uint32_t *numbers, size_t count, char *text, size_t n);
/* Whether a list such as "0-3,8" has a number in it. */
bool host_in_ranges(const char *list, uint32_t number);

#endif

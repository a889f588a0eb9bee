/* Files: read whole, written to a temporary name and renamed. */
#ifndef PSTI_BASE_FILE_H
#define PSTI_BASE_FILE_H

#include <stddef.h>

#include "penstock.h"

/* Reads a regular file or a pipe whole into memory from malloc, aligned to 64 bytes; the caller frees *bytes. */
pst_status psti_file_read(const char *path, unsigned char **bytes, size_t *n);
/* Writes n bytes to a temporary name beside `path`, fsyncs, renames. On failure nothing is left behind and what was at
 * `path` stays as it was. */
pst_status psti_file_write(const char *path, const void *bytes, size_t n);

#endif

/* Sequences of rows of numbers, as read from a .npy or CSV file or pipe. */
#ifndef PENSTOCK_CLI_ARRAY_H
#define PENSTOCK_CLI_ARRAY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* [steps, columns] (rank 2, sequences 1) or [sequences, steps, columns], C order. Exactly one of the two pointers is
 * set, as the reader was asked. From malloc. */
typedef struct {
    int rank;
    uint64_t sequences, steps, columns;
    float *f;
    double *d;
} cli_array;

typedef struct {
    FILE *stream;
    const char *name; /* for messages: the path, or "standard input" */
    bool npy;         /* else CSV */
} cli_input;

/* Opens a path, or stdin for "-". False with a message. */
bool cli_input_open(const char *path, cli_input *in);
/* Tells .npy from CSV by the first byte, for which it waits. False with a message; an empty file is an error. */
bool cli_input_look(cli_input *in);
void cli_input_close(cli_input *in);

/* Reads the whole of an input that has been looked at. Every value is checked to be finite; as floats also to be one of
 * fp32's finite numbers. False with a message that names the place. */
bool cli_array_read(cli_input *in, bool doubles, cli_array *out);
/* Opens, reads, closes. */
bool cli_array_read_path(const char *path, bool doubles, cli_array *out);
void cli_array_free(cli_array *a);

/* "[100, 4]" or "[3, 100, 4]", in one of two static buffers. */
const char *cli_array_shape(const cli_array *a);
/* a * b * c in *out; false if that times 8 bytes would not fit a size_t. */
bool cli_product(uint64_t a, uint64_t b, uint64_t c, size_t *out);

#endif

/* Formats as given on the command line: what can be told of them before a large checkpoint is read. */
#ifndef PENSTOCK_CLI_FORMATS_H
#define PENSTOCK_CLI_FORMATS_H

#include <stdbool.h>
#include <stdint.h>

/* Whether it is the search, "auto", and not a format. */
bool cli_format_is_auto(const char *format);
/* Whether the library has the format, or it is auto, and such a group (0: the default); false with the library's
 * message. */
bool cli_format_check(const char *format, uint32_t group);
/* The values of --format-layer, NULL-ended, as one text "0=w8a16;2=w4r": *out from malloc, NULL for none. False with a
 * message if one is not LAYER=FORMAT, or two are of one layer. How many layers there are is left to the compiler. */
bool cli_layer_formats(const char *const *given, char **out);
/* The option that the compiler's name of a field is about, "--format-layer", and what of the message follows its name;
 * NULL if it is about none of them. */
const char *cli_format_option(const char *field, const char **message);

#endif

/* Sentences under a table: wrapped for a terminal, left whole for Markdown. */
#ifndef LAB_PROSE_H
#define LAB_PROSE_H

#include <stdio.h>

enum { LAB_PROSE_WIDTH = 150 };

/* One paragraph, ended by a newline; in Markdown also by an empty line. */
void lab_prose(int markdown, FILE *to, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif

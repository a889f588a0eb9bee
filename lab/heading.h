/* What stands above the tables: the machine, its levels, the versions, its hiccups, and how the steps were timed. */
#ifndef LAB_HEADING_H
#define LAB_HEADING_H

#include <stdio.h>

#include "lab/bench.h"

void lab_heading_print(const lab_bench *b, int markdown, FILE *to);

#endif

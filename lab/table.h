/* The run as text: the machine, then latency, then error and others' figures. */
#ifndef LAB_TABLE_H
#define LAB_TABLE_H

#include <stdio.h>

#include "lab/anchors.h"
#include "lab/bench.h"

int lab_table_print(const lab_bench *b, const lab_anchors *a, int markdown, FILE *to);

#endif

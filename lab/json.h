/* The run as JSON, schema 1: docs/performance.md lists the fields. */
#ifndef LAB_JSON_H
#define LAB_JSON_H

#include <stdio.h>

#include "lab/anchors.h"
#include "lab/bench.h"

int lab_json_print(const lab_bench *b, const lab_anchors *a, FILE *to);

#endif

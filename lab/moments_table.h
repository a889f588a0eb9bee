/* The tables of steps at a bad moment, where there were any. */
#ifndef LAB_MOMENTS_TABLE_H
#define LAB_MOMENTS_TABLE_H

#include <stdio.h>

#include "lab/bench.h"

int lab_moments_print(const lab_bench *b, int markdown, FILE *to);

#endif

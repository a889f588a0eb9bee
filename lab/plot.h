/* The run as a picture: the distribution of every cell's latency with its twin's, on one logarithmic axis. SVG. */
#ifndef LAB_PLOT_H
#define LAB_PLOT_H

#include <stdio.h>

#include "lab/anchors.h"
#include "lab/bench.h"

void lab_plot_print(const lab_bench *b, const lab_anchors *a, FILE *to);

#endif

/* Every sample counted, none kept: classes whose width is at most 1/256 of their values, and exact count, sum, least
 * and largest. */
#ifndef LAB_HISTOGRAM_H
#define LAB_HISTOGRAM_H

#include <stdint.h>

enum {
    LAB_HISTOGRAM_BITS = 8, /* classes in an octave: 2^8, so a width of 0.2 to 0.4 % */
    LAB_HISTOGRAM_TOP = 40, /* values from 2^40 on share the last class: minutes, in ticks */
    LAB_HISTOGRAM_CLASSES = (LAB_HISTOGRAM_TOP - LAB_HISTOGRAM_BITS + 1) << LAB_HISTOGRAM_BITS
};

/* Zero-initialise with {0}. */
typedef struct {
    uint64_t count, sum, least, largest;
    uint64_t in[LAB_HISTOGRAM_CLASSES];
} lab_histogram;

void lab_histogram_add(lab_histogram *h, uint64_t value);
/* The smallest value that at least the share q of all samples does not exceed, to half a class; 0 without samples.
 * q = 1 is the largest, exactly. */
uint64_t lab_histogram_at(const lab_histogram *h, double q);
double lab_histogram_mean(const lab_histogram *h);
/* The share of samples above a value; within the value's own class samples are taken to lie evenly. */
double lab_histogram_above(const lab_histogram *h, double value);

/* Class i holds the values [first, last]. */
uint64_t lab_class_first(uint32_t i);
uint64_t lab_class_last(uint32_t i);
uint32_t lab_class_of(uint64_t value);

#endif

/* The histogram: see histogram.h. Values below 2^8 have a class each; above, an octave has 2^8 of equal width. */
#include "lab/histogram.h"

#include <math.h>

enum { PART = 1 << LAB_HISTOGRAM_BITS };

uint32_t lab_class_of(uint64_t value) {
    if (value >> LAB_HISTOGRAM_TOP)
        return LAB_HISTOGRAM_CLASSES - 1;
    if (value < PART)
        return (uint32_t)value;
    unsigned octave = 63u - (unsigned)__builtin_clzll(value), shift = octave - LAB_HISTOGRAM_BITS;
    return ((shift + 1) << LAB_HISTOGRAM_BITS) + (uint32_t)(value >> shift) - PART;
}

uint64_t lab_class_first(uint32_t i) {
    if (i < PART)
        return i;
    unsigned shift = (i >> LAB_HISTOGRAM_BITS) - 1;
    return (uint64_t)(PART + (i & (PART - 1))) << shift;
}

uint64_t lab_class_last(uint32_t i) {
    return i + 1 < LAB_HISTOGRAM_CLASSES ? lab_class_first(i + 1) - 1 : UINT64_MAX;
}

void lab_histogram_add(lab_histogram *h, uint64_t value) {
    if (!h->count || value < h->least)
        h->least = value;
    if (value > h->largest)
        h->largest = value;
    h->count++;
    h->sum += value;
    h->in[lab_class_of(value)]++;
}

uint64_t lab_histogram_at(const lab_histogram *h, double q) {
    if (!h->count)
        return 0;
    uint64_t rank = (uint64_t)ceil(q * (double)h->count), seen = 0;
    uint32_t i = 0;
    if (rank >= h->count)
        return h->largest;
    for (; i < LAB_HISTOGRAM_CLASSES - 1; i++) {
        seen += h->in[i];
        if (seen >= rank && seen)
            break;
    }
    uint64_t first = lab_class_first(i), last = lab_class_last(i);
    first = first < h->least ? h->least : first;
    last = last > h->largest ? h->largest : last;
    return first + (last - first) / 2;
}

double lab_histogram_mean(const lab_histogram *h) {
    return h->count ? (double)h->sum / (double)h->count : 0;
}

double lab_histogram_above(const lab_histogram *h, double value) {
    double above = 0;
    for (uint32_t i = 0; i < LAB_HISTOGRAM_CLASSES; i++) {
        if (!h->in[i])
            continue;
        double first = (double)lab_class_first(i), width = (double)lab_class_last(i) + 1 - first;
        double share = (first + width - value) / width;
        above += (double)h->in[i] * (share <= 0 ? 0 : share >= 1 ? 1 : share);
    }
    return h->count ? above / (double)h->count : 0;
}

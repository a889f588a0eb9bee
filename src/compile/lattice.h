/* The nearest code of a grid, in operations that vectorise and round alike everywhere. */
#ifndef PSTI_COMPILE_LATTICE_H
#define PSTI_COMPILE_LATTICE_H

#include "format/format.h"

/* Codes are spacing * k + offset for the integers k in [low, high]. */
typedef struct {
    float spacing, offset, per_spacing, low, high;
} psti_lattice;

static inline psti_lattice psti_lattice_of(const psti_grid *grid) {
    float largest = (float)grid->largest;
    if (grid->odd)
        return (psti_lattice){2.0f, 1.0f, 0.5f, (-largest - 1.0f) / 2.0f, (largest - 1.0f) / 2.0f};
    return (psti_lattice){1.0f, 0.0f, 1.0f, -largest, largest};
}

/* v in steps. Adding 1.5 * 2^23 rounds to the nearest even integer, as rintf does, for which SSE2 has no instruction;
 * the clamp before makes that hold for any v, and as its bounds are integers it changes nothing that one after would
 * not. Always inline, so that each clone of a caller has its own. */
static inline __attribute__((always_inline)) float psti_nearest_code(const psti_lattice *l, float v) {
    float k = (v - l->offset) * l->per_spacing;
    k = k < l->low ? l->low : k;
    k = k > l->high ? l->high : k;
    k = (k + 0x1.8p23f) - 0x1.8p23f;
    return k * l->spacing + l->offset;
}

#endif

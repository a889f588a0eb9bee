/* A slice of a matrix: the rows of some of its units as a matrix of its own, code by code. */
#include <string.h>

#include "format/format.h"

static int same(const psti_shape *from, const psti_shape *to, uint32_t first) {
    return first == 0 && to->units == from->units;
}

void psti_cut_tiles(const psti_shape *from, int encoding, const unsigned char *tiles, uint32_t first,
                    const psti_shape *to, unsigned char *out) {
    if (same(from, to, first)) {
        memcpy(out, tiles, psti_tiles_bytes(from, encoding));
        return;
    }
    memset(out, 0, psti_tiles_bytes(to, encoding));
    size_t words = psti_lane_words(to, encoding), groups = psti_shape_groups(to, encoding);
    for (uint32_t gate = 0; gate < to->gates; gate++)
        for (uint32_t unit = 0; unit < to->units; unit++) {
            psti_lane_place a = psti_lane_at(from, encoding, psti_shape_lane(from, gate, first + unit));
            psti_lane_place b = psti_lane_at(to, encoding, psti_shape_lane(to, gate, unit));
            for (size_t i = 0; i < words; i++)
                memcpy(out + b.word + i * b.word_stride, tiles + a.word + i * a.word_stride, 4);
            for (size_t g = 0; g < groups; g++)
                out[b.multiplier + g * b.multiplier_stride] = tiles[a.multiplier + g * a.multiplier_stride];
        }
}

void psti_cut_lanes(const psti_shape *from, const float *lanes, uint32_t first, const psti_shape *to, float *out) {
    memset(out, 0, sizeof *out * PSTI_LANES * psti_shape_vectors(to));
    for (uint32_t gate = 0; gate < to->gates; gate++)
        for (uint32_t unit = 0; unit < to->units; unit++)
            out[psti_shape_lane(to, gate, unit)] = lanes[psti_shape_lane(from, gate, first + unit)];
}

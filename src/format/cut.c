/* A slice of a matrix: the rows of some of its units as a matrix of its own, code by code. */
#include <string.h>

#include "format/format.h"

/* Every encoding stores a lane as words of 4 bytes: 1, 2 or 4 inputs. */
typedef struct {
    size_t word;   /* the first, in bytes from the start of all tiles */
    size_t stride; /* to the next word of the lane */
} lane_place;

static lane_place place_of(const psti_shape *s, int encoding, uint32_t lane) {
    uint32_t vector = lane / PSTI_LANES, wide = s->gates * s->wide, within = 0, vectors = 1;
    size_t block;
    if (vector < wide) {
        vectors = s->gates;
        within = vector % s->gates;
        block = vector / s->gates * psti_block_bytes(s, encoding, 0);
    } else {
        block = s->wide * psti_block_bytes(s, encoding, 0) + (vector - wide) * psti_block_bytes(s, encoding, 1);
    }
    return (lane_place){block + within * PSTI_LANES * 4 + lane % PSTI_LANES * 4, (size_t)vectors * PSTI_LANES * 4};
}

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
    size_t words = to->padded_inputs * psti_encoding_bytes(encoding) / 4;
    for (uint32_t gate = 0; gate < to->gates; gate++)
        for (uint32_t unit = 0; unit < to->units; unit++) {
            lane_place a = place_of(from, encoding, psti_shape_lane(from, gate, first + unit));
            lane_place b = place_of(to, encoding, psti_shape_lane(to, gate, unit));
            for (size_t i = 0; i < words; i++)
                memcpy(out + b.word + i * b.stride, tiles + a.word + i * a.stride, 4);
        }
}

void psti_cut_lanes(const psti_shape *from, const float *lanes, uint32_t first, const psti_shape *to, float *out) {
    memset(out, 0, sizeof *out * PSTI_LANES * psti_shape_vectors(to));
    for (uint32_t gate = 0; gate < to->gates; gate++)
        for (uint32_t unit = 0; unit < to->units; unit++)
            out[psti_shape_lane(to, gate, unit)] = lanes[psti_shape_lane(from, gate, first + unit)];
}

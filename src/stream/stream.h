/* A stream: the recurrent state of one input sequence on an engine, a part of it on each core. */
#ifndef PSTI_STREAM_STREAM_H
#define PSTI_STREAM_STREAM_H

#include "engine/engine.h"

struct pst_stream {
    pst_engine *engine;
    uint32_t number; /* of its parts on the cores */
    psti_part *part; /* on the caller's core; gone once the engine is closed */
    float *initial;  /* [2 * units]: c0 then h0 of each lstm, layer by layer, fp32 */
};

/* PST_OK, or why this stream cannot be used. */
pst_status psti_stream_check(const pst_stream *s);
/* The slice of an lstm's state on one core that is the operand code of h for its own W_hh: one or two runs of bytes in
 * a part's slot, and where they stand in the whole layer's runs. */
typedef struct {
    char *part[2];
    size_t bytes[2];  /* of the slice */
    size_t offset[2]; /* of the slice in the layer */
    size_t whole[2];  /* of the layer */
} psti_h_code;
psti_h_code psti_stream_h_code(const psti_part *part, const psti_placed *layer);
/* 1 if layer i has a state, whatever this core's slice of it. */
static inline int psti_has_state(const psti_placed *layer) {
    return layer->matrix[PSTI_MATRIX_RECURRENT].shape.gates != 0;
}

#endif

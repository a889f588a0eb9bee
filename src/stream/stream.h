/* A stream: the recurrent state of one input sequence on an engine, in a slot of its own. */
#ifndef PSTI_STREAM_STREAM_H
#define PSTI_STREAM_STREAM_H

#include "engine/engine.h"

struct pst_stream {
    pst_engine *engine;
    psti_pages pages; /* the slot, then the initial state: c0 and h0 of each lstm, fp32 */
    char *slot;
    float *initial;     /* [2 * units]: c0 then h0, layer by layer; NULL: the program's */
    psti_cursor cursor; /* of the settle owing */
    int owing;
};

/* PST_OK, or why this stream cannot be used. */
pst_status psti_stream_check(const pst_stream *s);
/* The part of an lstm's state that is the operand code of h for its own W_hh: one or two runs of bytes in the slot. */
typedef struct {
    char *part[2];
    size_t bytes[2];
} psti_h_code;
psti_h_code psti_stream_h_code(const pst_stream *s, const psti_placed *layer);

#endif

/* What goes from core to core: lines of 56 bytes and a tag, in mailboxes that two steps share in turn.
 *
 * A line is written by one core and read by all that need it. The payload is stored first and the tag last, with
 * release; a reader loads the tag with acquire, and the payload only when the tag is this step's. The slots of a
 * mailbox alternate with the tag's parity, so a line of step s is overwritten in step s + 2, which the caller publishes
 * only after every core has told (psti_core.done) that it has copied step s. */
#ifndef PSTI_ENGINE_EXCHANGE_H
#define PSTI_ENGINE_EXCHANGE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define PSTI_PAYLOAD 56

typedef struct {
    _Alignas(64) unsigned char payload[PSTI_PAYLOAD];
    _Atomic uint64_t tag;
} psti_line;

/* One member's slice of one vector, in both slots. */
typedef struct {
    psti_line *line[2];
    uint32_t lines; /* of one slot */
    uint32_t first, units;
} psti_mail;

/* One array of a slot that goes over: an operand code, or the fp32 values. */
typedef struct {
    size_t at[2];   /* in the slot, by parity */
    uint32_t bytes; /* of a unit */
} psti_segment;
enum { PSTI_SEGMENTS = 6 };

/* How a vector goes over, as one core sees it. */
typedef struct {
    psti_segment segment[PSTI_SEGMENTS];
    uint32_t segments;
    psti_mail own;    /* no lines: nobody takes this core's slice */
    psti_mail *peers; /* [peer_count]: slices that this core takes */
    uint32_t peer_count;
} psti_route;

struct psti_core;

/* Lines that `units` units of these segments take. */
uint32_t psti_route_lines(const psti_route *r, uint32_t units);
/* Publishes this core's slice of a vector. */
void psti_offer(const psti_route *r, const char *slot, int now, uint64_t tag);
/* Asks for the lines of the peers without waiting for them. */
void psti_expect(const psti_route *r, uint64_t tag);
/* 1 if all slices of this step are there. Loads every tag, so that the misses overlap. */
int psti_arrived(const psti_route *r, uint64_t tag);
/* Copies the slices that are there into the slot. */
void psti_copy(const psti_route *r, char *slot, int now, uint64_t tag);

#endif

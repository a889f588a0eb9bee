/* Lines: written, awaited, copied. */
#include "engine/exchange.h"

#include <string.h>

static uint32_t lines_of(uint32_t units, uint32_t bytes) {
    return (units * bytes + PSTI_PAYLOAD - 1) / PSTI_PAYLOAD;
}

uint32_t psti_route_lines(const psti_route *r, uint32_t units) {
    uint32_t lines = 0;
    for (uint32_t i = 0; i < r->segments; i++)
        lines += lines_of(units, r->segment[i].bytes);
    return lines;
}

void psti_offer(const psti_route *r, const char *slot, int now, uint64_t tag) {
    if (!r->own.lines)
        return;
    psti_line *line = r->own.line[tag & 1];
    for (uint32_t i = 0; i < r->segments; i++) {
        const psti_segment *s = &r->segment[i];
        const char *from = slot + s->at[now] + (size_t)r->own.first * s->bytes;
        size_t left = (size_t)r->own.units * s->bytes;
        for (; left >= PSTI_PAYLOAD; left -= PSTI_PAYLOAD, from += PSTI_PAYLOAD, line++) {
            memcpy(line->payload, from, PSTI_PAYLOAD);
            atomic_store_explicit(&line->tag, tag, memory_order_release);
        }
        if (left) {
            memcpy(line->payload, from, left);
            atomic_store_explicit(&line->tag, tag, memory_order_release);
            line++;
        }
    }
}

void psti_expect(const psti_route *r, uint64_t tag) {
    for (uint32_t p = 0; p < r->peer_count; p++) {
        const psti_mail *m = &r->peers[p];
        for (uint32_t i = 0; i < m->lines; i++)
            __builtin_prefetch(m->line[tag & 1] + i);
    }
}

int psti_arrived(const psti_route *r, uint64_t tag) {
    uint64_t missing = 0;
    for (uint32_t p = 0; p < r->peer_count; p++) {
        const psti_mail *m = &r->peers[p];
        psti_line *line = m->line[tag & 1];
        for (uint32_t i = 0; i < m->lines; i++)
            missing |= atomic_load_explicit(&line[i].tag, memory_order_acquire) ^ tag;
    }
    return missing == 0;
}

void psti_copy(const psti_route *r, char *slot, int now, uint64_t tag) {
    for (uint32_t p = 0; p < r->peer_count; p++) {
        const psti_mail *m = &r->peers[p];
        const psti_line *line = m->line[tag & 1];
        for (uint32_t i = 0; i < r->segments; i++) {
            const psti_segment *s = &r->segment[i];
            char *to = slot + s->at[now] + (size_t)m->first * s->bytes;
            size_t left = (size_t)m->units * s->bytes;
            for (; left >= PSTI_PAYLOAD; left -= PSTI_PAYLOAD, to += PSTI_PAYLOAD, line++)
                memcpy(to, line->payload, PSTI_PAYLOAD);
            if (left)
                memcpy(to, (line++)->payload, left);
        }
    }
}

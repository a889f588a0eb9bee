/* The harness of the kernels: one row of kernels.def, one test against the scalar level bit for bit, one timing. */
#ifndef PENSTOCK_TESTS_KERNELS_HARNESS_H
#define PENSTOCK_TESTS_KERNELS_HARNESS_H

#include "base/number.h"
#include "kernels/kernels.h"

typedef struct {
    const char *name; /* avx2_vnni_evex lstm_w8a16 */
    int encoding;     /* of products */
    psti_adapt_fn *adapt;
    int level;
    void (*function)(void); /* cast to the class's type */
    void (*scalar)(void);
} row;

/* Memory whose last byte is followed by an unreadable page, and whose first is preceded by a pattern that guard_check
 * looks at. `bytes` is rounded up to 64. Freed all at once. */
void *guard_take(size_t bytes);
void *guard_copy(const void *from, size_t bytes);
/* As guard_take without the rounding, ending exactly at the unreadable page (so perhaps unaligned). */
void *guard_exact(size_t bytes);
/* 0 if every pattern is whole. */
int guard_check(void);
void guard_free(void);

extern psti_random harness_random;
uint32_t random_below(uint32_t n);
/* Values of a kernel's input: normal, tiny, zero, large, mixed over the lanes. */
float random_value(void);

/* Each returns NULL, or what differs (static or harness-owned text). `flush`: with flush-to-zero modes on for the
 * kernel under test. */
const char *check_lstm(const row *r, int flush);
const char *check_linear(const row *r, int flush);
const char *check_ahead(const row *r, int flush);
const char *check_settle(const row *r, int flush);
const char *check_mend(const row *r, int flush);
const char *check_adapt(const row *r, int flush);
const char *check_scan(const row *r, int flush);
const char *check_encode(const row *r, int flush);
const char *check_activation(const row *r, int flush);
const char *check_softmax(const row *r, int flush);
const char *check_read(const row *r, int flush);
/* Sums at their extremes against int64. */
const char *check_extremes_lstm(const row *r);
const char *check_extremes_linear(const row *r);
const char *check_extremes_settle(const row *r);

/* Prints one line of timing. */
void time_lstm(const row *r);
void time_linear(const row *r);
void time_ahead(const row *r);
void time_settle(const row *r);
void time_mend(const row *r);
void time_adapt(const row *r);
void time_scan(const row *r);
void time_encode(const row *r);
void time_activation(const row *r);
void time_softmax(const row *r);
void time_read(const row *r);

/* Flush-to-zero and denormals-are-zero on; the modes before. A no-op where the processor has none that we set. */
unsigned flush_on(void);
void flush_restore(unsigned was);

/* A random layer for a product kernel, in guarded memory; `scalar` has tiles as in the file, `adapted` those of the
 * row. */
typedef struct {
    psti_shape shape;
    psti_layer_args scalar, adapted;
    uint32_t vectors;
} product;
void product_make(product *p, const row *r, uint32_t units, uint32_t inputs, uint32_t gates);
/* The settle of one of its blocks. */
psti_settle_args product_settle(const psti_layer_args *a, float *bracket, uint32_t block, psti_partial *partial);
/* Fresh output arrays for both sides. */
void product_outputs(product *p, int lstm);
const char *product_compare(const product *p, int lstm);

#endif

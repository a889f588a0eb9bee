/* The clock: the processor's own counter, how fast it runs, and what reading it costs. */
#ifndef LAB_CLOCK_H
#define LAB_CLOCK_H

#include <stdint.h>
#include <time.h>

/* The counter, between everything before it and everything after it in the program: what stands between two readings
 * is what their difference timed. */
static inline uint64_t lab_ticks(void) {
#if defined(__x86_64__)
    uint32_t low, high;
    /* rdtscp waits for what comes before, lfence keeps back what comes after. */
    __asm__ volatile("rdtscp\n\tlfence" : "=a"(low), "=d"(high) : : "rcx", "memory");
    return (uint64_t)high << 32 | low;
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("isb\n\tmrs %0, cntvct_el0\n\tisb" : "=r"(ticks) : : "memory");
    return ticks;
#else
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
#endif
}

/* Spins until the counter reaches `until`. Without PAUSE, which can leave a virtual machine for microseconds. */
static inline void lab_wait_until(uint64_t until) {
    while ((int64_t)(lab_ticks() - until) < 0)
        ;
}

typedef struct {
    const char *name;        /* of the instruction that reads it */
    double ticks_per_us;     /* */
    double pair_us;          /* median difference of two readings with nothing between them */
    uint64_t ticks0, nanos0; /* both clocks at lab_clock_open */
} lab_clock;

/* Notes both clocks. */
void lab_clock_open(lab_clock *clock);
/* Takes the rate from the time passed since then, at least 20 ms (it waits where that is not over), against
 * CLOCK_MONOTONIC_RAW, and times reading. */
void lab_clock_calibrate(lab_clock *clock);
/* The rate since lab_clock_open relative to the one in use, less 1: what the whole run says of the calibration. */
double lab_clock_drift(const lab_clock *clock);

static inline double lab_us(const lab_clock *clock, uint64_t ticks) {
    return (double)ticks / clock->ticks_per_us;
}

static inline uint64_t lab_ticks_of(const lab_clock *clock, double us) {
    return (uint64_t)(us * clock->ticks_per_us + 0.5);
}

/* The median of n values; changes their order. */
uint64_t lab_median(uint64_t *values, uint32_t n);

#endif

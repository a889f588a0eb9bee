/* The twin: see twin.h. */
#include "lab/twin.h"

uint64_t lab_twin_run(uint64_t links) {
    uint64_t value = links;
    for (uint64_t i = 0; i < links; i++) {
        value = value * 6364136223846793005u + 1442695040888963407u;
        __asm__ volatile("" : "+r"(value)); /* one link at a time: else the compiler may join several */
    }
    return value;
}

uint64_t lab_twin_fit(lab_crew *crew, uint64_t links, uint64_t ticks) {
    enum { RUNS = 15, PASSES = 3, FIRST = 512 };
    links = links ? links : FIRST;
    for (int pass = 0; pass < PASSES; pass++) {
        uint64_t took[RUNS];
        for (int i = 0; i < RUNS; i++)
            took[i] = lab_crew_time(crew, links);
        uint64_t median = lab_median(took, RUNS);
        links = (uint64_t)((double)links * (double)ticks / (double)(median ? median : 1) + 0.5);
        links = links ? links : 1;
    }
    return links;
}

/* Pages for weights and streams: huge where possible, resident before use, locked where allowed. */
#ifndef PSTI_CPU_PAGES_H
#define PSTI_CPU_PAGES_H

#include "penstock.h"

typedef struct {
    void *address;          /* aligned to the page size; cleared */
    size_t bytes;           /* asked for */
    size_t mapped;          /* mapped: `bytes` rounded up to whole pages, all of them usable */
    size_t guard;           /* bytes on each side that fault when touched */
    size_t page_bytes;      /* 2 MiB (or the system's hugetlb size), or the ordinary page size */
    size_t locked;          /* bytes that will not be swapped out: all or none; hugetlb pages never are */
    char shortfall[3][160]; /* one sentence each for what was refused and the fallback taken: "" where nothing was */
} psti_pages;

enum { PSTI_PAGES_NO_HUGE = 1, PSTI_PAGES_NO_LOCK = 2 };

/* Maps at least `bytes` (> 0): hugetlb if free, else aligned memory with MADV_HUGEPAGE and MADV_POPULATE_WRITE (or
 * touched page by page), else ordinary pages. Whether transparent huge pages were really given is asked of the kernel
 * (/proc/self/smaps), not assumed. `what` names the memory in the sentences: "weights".
 *
 * Less than an eighth of a huge page (256 KiB of 2 MiB) is put on ordinary pages at once, and that is no shortfall:
 * 64 ordinary pages fit a core's first-level TLB, and a huge page would be mostly empty. */
pst_status psti_pages_map(size_t bytes, int flags, const char *what, psti_pages *out);
/* Takes a struct that psti_pages_map filled, or a cleared one, and clears it. */
void psti_pages_unmap(psti_pages *pages);

/* A page that the kernel clears in a forked child (MADV_WIPEONFORK): *alive is 1 in this process and 0 in a
 * child. NULL where the kernel has no such pages. No system call to read it. */
typedef struct {
    volatile int *alive; /* NULL where the kernel refused */
    size_t mapped;
} psti_fork_mark;
/* PST_OK with alive NULL where the kernel has no such pages (before Linux 4.14). */
pst_status psti_fork_mark_open(psti_fork_mark *out);
void psti_fork_mark_close(psti_fork_mark *mark);

#endif

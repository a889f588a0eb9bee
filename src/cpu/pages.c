/* Pages for weights and streams: hugetlb, transparent huge pages, ordinary pages, in this order. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MAP_HUGETLB, madvise, mincore */
#endif
#include "cpu/pages.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/status.h"

/* Since Linux 5.14; older headers lack the name. The number is the same on every architecture penstock is built for. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum { HUGETLB, TRANSPARENT, LOCK }; /* indices of shortfall */

/* Of what is asked for: the share of a huge page from which one is worth taking. */
#define WORTH 8

static int round_up(size_t n, size_t unit, size_t *out) {
    size_t sum;
    if (!psti_add(n, unit - 1, &sum))
        return 0;
    *out = sum / unit * unit;
    return 1;
}

/* A line "Name: N kB" of a file in /proc, in bytes; 0 if there is none. */
static size_t meminfo(const char *name) {
    FILE *f = fopen("/proc/meminfo", "re");
    if (!f)
        return 0;
    char line[256];
    size_t n = strlen(name), kb = 0;
    while (fgets(line, sizeof line, f)) {
        if (strncmp(line, name, n) == 0 && line[n] == ':') {
            if (sscanf(line + n + 1, "%zu", &kb) != 1)
                kb = 0;
            break;
        }
    }
    fclose(f);
    return kb <= SIZE_MAX / 1024 ? kb * 1024 : 0;
}

/* The size that a transparent huge page has here; 0 where the kernel has none. */
static size_t transparent_bytes(void) {
    FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "re");
    size_t bytes = 0;
    if (f) {
        if (fscanf(f, "%zu", &bytes) != 1)
            bytes = 0;
        fclose(f);
    }
    return bytes;
}

/* How many bytes of the mapping that starts at `address` are in transparent huge pages; -1 if the kernel does not say.
 * The guards on both sides keep it from being merged with a neighbour. */
static int64_t given_huge(const void *address, size_t mapped) {
    FILE *f = fopen("/proc/self/smaps", "re");
    if (!f)
        return -1;
    char line[4096];
    int64_t given = -1;
    int inside = 0;
    while (fgets(line, sizeof line, f)) {
        uintptr_t from, to;
        size_t kb;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2) {
            if (inside)
                break;
            inside = from <= (uintptr_t)address && (uintptr_t)address < to;
            if (inside && (from != (uintptr_t)address || to - from != mapped))
                break;
        } else if (inside && sscanf(line, "AnonHugePages: %zu", &kb) == 1) {
            given = (int64_t)(kb * 1024);
            break;
        }
    }
    fclose(f);
    return given;
}

/* Makes every page of the mapping resident and writable. 0, or errno. */
static int populate(unsigned char *address, size_t mapped, size_t ordinary) {
    if (madvise(address, mapped, MADV_POPULATE_WRITE) == 0)
        return 0;
    if (errno == ENOMEM || errno == EFAULT)
        return errno;
    for (size_t i = 0; i < mapped; i += ordinary)
        *(volatile unsigned char *)(address + i) = 0;
    return 0;
}

/* Whether every page is resident: MAP_POPULATE does not say when it falls short, and touching a hugetlb page that a
 * cgroup withholds is a SIGBUS. */
static int resident(unsigned char *address, size_t mapped, size_t ordinary) {
    unsigned char state[1024];
    size_t piece = sizeof state * ordinary;
    for (size_t at = 0; at < mapped; at += piece) {
        size_t n = mapped - at < piece ? mapped - at : piece;
        if (mincore(address + at, n, state) != 0)
            return 0;
        for (size_t i = 0; i < n / ordinary; i++) {
            if (!(state[i] & 1))
                return 0;
        }
    }
    return 1;
}

static int map_hugetlb(size_t bytes, size_t ordinary, const char *what, psti_pages *out) {
    char *text = out->shortfall[HUGETLB];
    size_t huge = meminfo("Hugepagesize"), mapped;
    if (!huge || bytes < huge / WORTH) {
        snprintf(text, sizeof out->shortfall[HUGETLB], "%s: this system has no hugetlb pages of a fitting size", what);
        return 0;
    }
    if (!round_up(bytes, huge, &mapped))
        return 0;
    void *address =
        mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
    if (address == MAP_FAILED || !resident(address, mapped, ordinary)) {
        if (address != MAP_FAILED)
            munmap(address, mapped);
        snprintf(text, sizeof out->shortfall[HUGETLB],
                 "%s: hugetlb pages (%zu of %zu KiB) are not free; transparent huge pages or ordinary ones are used",
                 what, mapped / huge, huge / 1024);
        return 0;
    }
    out->address = address;
    out->mapped = mapped;
    out->page_bytes = huge;
    out->locked = mapped; /* hugetlb pages are never swapped out */
    return 1;
}

/* Maps `mapped` bytes at a multiple of `alignment`, with an unreadable page on each side. */
static pst_status map_guarded(size_t mapped, size_t alignment, size_t ordinary, psti_pages *out) {
    size_t all;
    if (!psti_add(mapped, 2 * ordinary, &all) || !psti_add(all, alignment, &all))
        return psti_fail_memory(mapped);
    unsigned char *base = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return psti_fail_memory(mapped);
    size_t skip = alignment - 1 - ((uintptr_t)base + ordinary - 1) % alignment; /* to the first aligned address */
    unsigned char *start = base + ordinary + skip;
    if (mprotect(start, mapped, PROT_READ | PROT_WRITE) != 0) {
        munmap(base, all);
        return psti_fail_memory(mapped);
    }
    if (skip)
        munmap(base, skip);
    if (alignment > skip)
        munmap(start + mapped + ordinary, alignment - skip);
    out->address = start;
    out->mapped = mapped;
    out->guard = ordinary;
    out->page_bytes = ordinary;
    return PST_OK;
}

/* Maps and fills; asks for transparent huge pages if `huge` is their size, not if it is 0. */
static pst_status map_anonymous(size_t bytes, size_t huge, size_t ordinary, const char *what, psti_pages *out) {
    size_t unit = huge ? huge : ordinary, mapped;
    if (!round_up(bytes, unit, &mapped))
        return psti_fail_memory(bytes);
    pst_status status = map_guarded(mapped, unit, ordinary, out);
    if (status)
        return status;
    int advised = huge && madvise(out->address, mapped, MADV_HUGEPAGE) == 0;
    int failed = populate(out->address, mapped, ordinary);
    if (failed) {
        psti_pages_unmap(out);
        return psti_fail(PST_E_MEMORY, (psti_where){.item = what, .expected = (int64_t)mapped, .os_error = failed},
                         "%s: %zu bytes of memory could not be made resident: %s", what, mapped, strerror(failed));
    }
    if (!huge)
        return PST_OK;
    char *text = out->shortfall[TRANSPARENT];
    size_t room = sizeof out->shortfall[TRANSPARENT];
    int64_t given = advised ? given_huge(out->address, mapped) : 0;
    if (given >= 0 && (size_t)given >= mapped)
        out->page_bytes = huge;
    else if (!advised)
        snprintf(text, room, "%s: transparent huge pages refused by the kernel; ordinary pages of %zu bytes are used",
                 what, ordinary);
    else if (given < 0)
        snprintf(text, room, "%s: the kernel does not say whether it gave huge pages; counted as ordinary pages", what);
    else
        snprintf(text, room, "%s: only %zu of %zu KiB are in huge pages; the rest is in ordinary pages of %zu bytes",
                 what, (size_t)given / 1024, mapped / 1024, ordinary);
    return PST_OK;
}

static void lock(const char *what, psti_pages *out) {
    if (mlock(out->address, out->mapped) == 0) {
        out->locked = out->mapped;
        return;
    }
    int refused = errno;
    struct rlimit limit;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        snprintf(
            out->shortfall[LOCK], sizeof out->shortfall[LOCK],
            "%s: %zu bytes not locked in memory (%s; RLIMIT_MEMLOCK is %ju); they are resident, but may be swapped",
            what, out->mapped, strerror(refused), (uintmax_t)limit.rlim_cur);
    else
        snprintf(out->shortfall[LOCK], sizeof out->shortfall[LOCK],
                 "%s: %zu bytes not locked in memory (%s); they are resident, but may be swapped", what, out->mapped,
                 strerror(refused));
}

pst_status psti_pages_map(size_t bytes, int flags, const char *what, psti_pages *out) {
    psti_pages pages = {.bytes = bytes};
    if (bytes == 0)
        return psti_fail(PST_E_ARGUMENT, (psti_where){.item = what}, "%s: no bytes to map", what);
    long ordinary = sysconf(_SC_PAGESIZE);
    if (ordinary <= 0)
        ordinary = 4096;
    size_t huge = flags & PSTI_PAGES_NO_HUGE ? 0 : transparent_bytes();
    /* Without transparent huge pages, 2 MiB stands for what hugetlb would have to be worth. */
    int wanted = !(flags & PSTI_PAGES_NO_HUGE) && bytes >= (huge ? huge : (size_t)2 << 20) / WORTH;
    if (!wanted || !map_hugetlb(bytes, (size_t)ordinary, what, &pages)) {
        if (wanted && !huge)
            snprintf(pages.shortfall[TRANSPARENT], sizeof pages.shortfall[TRANSPARENT],
                     "%s: this system has no transparent huge pages; ordinary pages of %ld bytes are used", what,
                     ordinary);
        pst_status status = map_anonymous(bytes, wanted ? huge : 0, (size_t)ordinary, what, &pages);
        if (status)
            return status;
        if (!(flags & PSTI_PAGES_NO_LOCK))
            lock(what, &pages);
    }
    *out = pages;
    return PST_OK;
}

void psti_pages_unmap(psti_pages *pages) {
    if (pages->address)
        munmap((unsigned char *)pages->address - pages->guard, pages->mapped + 2 * pages->guard);
    memset(pages, 0, sizeof *pages);
}

pst_status psti_fork_mark_open(psti_fork_mark *out) {
    long ordinary = sysconf(_SC_PAGESIZE);
    size_t mapped = ordinary > 0 ? (size_t)ordinary : 4096;
    void *page = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return psti_fail_memory(mapped);
    *out = (psti_fork_mark){NULL, 0};
#ifdef MADV_WIPEONFORK
    if (madvise(page, mapped, MADV_WIPEONFORK) == 0) {
        out->alive = page;
        out->mapped = mapped;
        *out->alive = 1;
        return PST_OK;
    }
#endif
    munmap(page, mapped);
    return PST_OK;
}

void psti_fork_mark_close(psti_fork_mark *mark) {
    if (mark->alive)
        munmap((void *)(uintptr_t)mark->alive, mark->mapped);
    *mark = (psti_fork_mark){NULL, 0};
}

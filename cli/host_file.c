/* Files of /proc and /sys: see host_file.h. */
#include "host_file.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_MOST = 4400 };
static const char *root = "";

void host_root(const char *folder) {
    root = folder;
}

static bool full_path(char path[PATH_MOST], const char *format, va_list arguments) {
    size_t used = strlen(root);
    if (used >= PATH_MOST)
        return false;
    memcpy(path, root, used);
    int n = vsnprintf(path + used, PATH_MOST - used, format, arguments);
    return n >= 0 && (size_t)n < PATH_MOST - used;
}

static bool read_path(char *text, size_t n, const char *format, va_list arguments) {
    char path[PATH_MOST];
    text[0] = 0;
    FILE *f = full_path(path, format, arguments) ? fopen(path, "re") : NULL;
    if (!f)
        return false;
    size_t got = fread(text, 1, n - 1, f);
    bool good = got > 0 || !ferror(f);
    fclose(f);
    text[got] = 0;
    return good;
}

bool host_text(char *text, size_t n, const char *path, ...) {
    va_list arguments;
    va_start(arguments, path);
    bool good = read_path(text, n, path, arguments);
    va_end(arguments);
    return good;
}

/* What is read is printed, and other bytes could drive a terminal or are no JSON. */
static void make_printable(char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e)
            *text = '?';
}

static bool read_line(char *line, size_t n, const char *path, va_list arguments) {
    if (!read_path(line, n, path, arguments))
        return false;
    line[strcspn(line, "\n")] = 0;
    size_t from = strspn(line, " \t"), end = strlen(line);
    while (end > from && isspace((unsigned char)line[end - 1]))
        end--;
    memmove(line, line + from, end - from);
    line[end - from] = 0;
    make_printable(line);
    return true;
}

bool host_line(char *line, size_t n, const char *path, ...) {
    va_list arguments;
    va_start(arguments, path);
    bool good = read_line(line, n, path, arguments);
    va_end(arguments);
    return good;
}

bool host_number(int64_t *out, const char *path, ...) {
    char line[64], *end;
    va_list arguments;
    va_start(arguments, path);
    bool good = read_line(line, sizeof line, path, arguments);
    va_end(arguments);
    errno = 0;
    long long n = strtoll(line, &end, 10);
    if (!good || end == line || *end || errno)
        return false;
    *out = n;
    return true;
}

bool host_exists(const char *path, ...) {
    char full[PATH_MOST];
    va_list arguments;
    va_start(arguments, path);
    bool good = full_path(full, path, arguments);
    va_end(arguments);
    return good && access(full, F_OK) == 0;
}

bool host_value(const char *text, const char *name, char *value, size_t n) {
    size_t length = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        if (strncmp(line, name, length) != 0)
            continue;
        line += length;
        line += strspn(line, ": \t");
        snprintf(value, n, "%.*s", (int)strcspn(line, "\n"), line);
        make_printable(value);
        return true;
    }
    return false;
}

bool host_process(const char *name, uint32_t *seen) {
    char path[PATH_MOST], comm[64];
    bool found = false;
    *seen = 0;
    snprintf(path, sizeof path, "%.4000s/proc", root);
    DIR *folder = opendir(path);
    if (!folder)
        return false;
    for (struct dirent *entry; !found && (entry = readdir(folder));) {
        if (!isdigit((unsigned char)entry->d_name[0]) || !host_line(comm, sizeof comm, "/proc/%s/comm", entry->d_name))
            continue;
        ++*seen;
        found = strcmp(comm, name) == 0;
    }
    closedir(folder);
    return found;
}

static int ascending(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

void host_ranges(const uint32_t *numbers, size_t count, char *text, size_t n) {
    uint32_t *sorted = malloc((count ? count : 1) * sizeof *sorted);
    size_t used = 0;
    text[0] = 0;
    if (!sorted)
        return;
    memcpy(sorted, numbers, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, ascending);
    for (size_t i = 0, last; i < count; i = last + 1) {
        for (last = i; last + 1 < count && sorted[last + 1] == sorted[last] + 1; last++)
            ;
        int wrote =
            snprintf(text + used, n - used, last > i ? "%s%u-%u" : "%s%u", i ? "," : "", sorted[i], sorted[last]);
        if (wrote < 0 || (size_t)wrote >= n - used) { /* half a number would be another one */
            text[used] = 0;
            break;
        }
        used += (size_t)wrote;
    }
    free(sorted);
}

bool host_in_ranges(const char *list, uint32_t number) {
    while (isdigit((unsigned char)*list)) {
        char *end;
        unsigned long first = strtoul(list, &end, 10), last = *end == '-' ? strtoul(end + 1, &end, 10) : first;
        if (number >= first && number <= last)
            return true;
        list = *end == ',' ? end + 1 : end;
    }
    return false;
}

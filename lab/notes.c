/* Notes: see notes.h. */
#include "lab/notes.h"

#include <stdio.h>
#include <string.h>

void lab_notes_add(lab_notes *n, const char *text) {
    char line[LAB_NOTE_BYTES];
    snprintf(line, sizeof line, "%s", text);
    for (uint32_t i = 0; i < n->count; i++)
        if (strcmp(n->text[i], line) == 0)
            return;
    if (n->count < LAB_NOTES_MOST)
        memcpy(n->text[n->count++], line, sizeof line);
}

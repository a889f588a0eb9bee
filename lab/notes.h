/* Notes: lines for the end of the table, each once, such as what the system refused to an engine. */
#ifndef LAB_NOTES_H
#define LAB_NOTES_H

#include <stdint.h>

enum { LAB_NOTES_MOST = 16, LAB_NOTE_BYTES = 512 };

/* Zero-initialise with {0}. */
typedef struct {
    char text[LAB_NOTES_MOST][LAB_NOTE_BYTES];
    uint32_t count;
} lab_notes;

/* A line that is there already, or for which there is no room, changes nothing. */
void lab_notes_add(lab_notes *n, const char *text);

#endif

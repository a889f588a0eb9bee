/* Checkpoints: hostile bytes -> named tensors -> layers. */
#ifndef PSTI_CHECKPOINT_CHECKPOINT_H
#define PSTI_CHECKPOINT_CHECKPOINT_H

#include <stdint.h>

#include "base/memory.h"
#include "base/text.h"
#include "penstock.h"

/* One tensor of a file whose header has been checked. */
typedef struct {
    const char *full;  /* its name in the file */
    const char *name;  /* the same without the prefix asked for */
    const char *dtype; /* the file's word for it: "F32" */
    int element;       /* PST_F32 ..., or -1 for a type that no layer can be made from */
    size_t rank;
    const uint64_t *shape;
    const unsigned char *data; /* at any address */
    uint64_t begin, end;       /* bytes within the data */
    int used;                  /* by a layer */
} psti_entry;

/* A file's tensors. Everything lies in the arena, but data, which stays in the caller's bytes. */
typedef struct {
    psti_arena arena;
    const char *file; /* path, or NULL for bytes in memory */
    size_t count;
    psti_entry *entries; /* by name, ascending */
    const char *graph;   /* the layer graph in its metadata, or NULL */
} psti_checkpoint;

/* Where messages say the error is: the path, or "checkpoint". */
const char *psti_checkpoint_name(const psti_checkpoint *c);
/* Appends to a list of tensors: "lstm.weight_ih_l0 F32 [4, 8]". */
void psti_checkpoint_list(psti_text *list, const psti_entry *e);
/* Fails, listing every entry whose `used` is 0; PST_OK if there is none. */
pst_status psti_checkpoint_leftovers(const psti_checkpoint *c);

/* Checks a safetensors header completely and fills *c (file set, else zero). */
pst_status psti_safetensors_parse(const unsigned char *bytes, size_t n, psti_checkpoint *c);

/* The layers found, before they are made into a model: what pst_model_create takes, and each tensor's origin. */
typedef struct {
    size_t count;
    int readout; /* PSTI_READOUT_...; a bare state_dict does not say */
    const pst_layer **layers;
    const char *const **names;
} psti_found;

/* Room for `count` layers in the checkpoint's arena. */
pst_status psti_found_open(psti_checkpoint *c, size_t count, psti_found *found);
/* Fills layer i: `roles` are the tensors' names within the layer, `entries` the tensors; an entry of NULL is left out.
 * Refuses element types that no layer can be made from. */
pst_status psti_found_layer(psti_checkpoint *c, psti_found *found, size_t i, const char *kind, size_t tensors,
                            const char *const *roles, psti_entry *const *entries);

/* The two forms of a checkpoint (docs/format.md), the graph's schema version. */
#define PSTI_GRAPH_VERSION 1
pst_status psti_graph_read(psti_checkpoint *c, psti_found *found);
pst_status psti_state_dict_read(psti_checkpoint *c, psti_found *found);

/* The bytes of a checkpoint with a graph, from malloc; the caller frees them. The same model gives the same bytes. */
pst_status psti_checkpoint_write(const pst_model *m, unsigned char **bytes, size_t *n);

#endif

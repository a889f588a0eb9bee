/* Recipes: in which encodings the matrices of a program are held, as a text says it. formats.def */
#ifndef PSTI_FORMAT_RECIPE_H
#define PSTI_FORMAT_RECIPE_H

#include "format/format.h"

#define PSTI_RECIPE_LAYERS 1024 /* of a model, at most */

enum { PSTI_ROLE_IH, PSTI_ROLE_HH, PSTI_ROLE_LINEAR, PSTI_ROLES };

/* How one matrix is held. */
typedef struct {
    int encoding, rest; /* rest: the encoding of what the codes leave, or -1 */
} psti_held;

/* How the matrices of one layer are held. */
typedef struct {
    psti_held of[PSTI_ROLES];
    uint32_t group; /* inputs that share a multiplier, of every grouped encoding */
} psti_recipe;

/* The names of whole formats; NULL beyond the last. */
const char *psti_format_name(size_t index);
/* The name of what a matrix of a role is held as: "w4r". */
const char *psti_held_name(int role, psti_held held);
/* Reads a name ("w4a8") or roles ("ih=w4a8,hh=bf16,linear=w8a16"; those not named are as in the format of ih's name, or
 * bf16). PST_E_ARGUMENT with what is known, of field `field`. */
pst_status psti_recipe_parse(const char *text, const char *field, psti_recipe *out);
/* The recipe of layer `index` of `count`: of `text`, unless `by_layer` ("0=w8a16;2=ih=w4r,hh=bf16", or NULL) has one
 * for it. All of by_layer is checked. */
pst_status psti_recipe_of_layer(const char *text, const char *by_layer, uint32_t index, uint32_t count,
                                psti_recipe *out);

#endif

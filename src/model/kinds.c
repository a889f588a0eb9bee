/* The table of layer kinds. */
#include <string.h>

#include "model/model.h"

#define PSTI_KIND(name) [PSTI_KIND_##name] = &psti_kind_##name,
const psti_kind *const psti_kinds[PSTI_KINDS] = {
#include "model/kinds.def"
};
#undef PSTI_KIND

int psti_kind_find(const char *name) {
    for (int i = 0; i < PSTI_KINDS; i++) {
        if (strcmp(name, psti_kinds[i]->name) == 0) {
            return i;
        }
    }
    return -1;
}

int psti_kind_tensor(const psti_kind *kind, const char *name) {
    for (size_t i = 0; i < kind->tensor_count; i++) {
        if (strcmp(kind->tensors[i].name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

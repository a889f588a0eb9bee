/* The table of the engine's layer kinds. */
#include "engine/kinds.h"

#define PSTI_KIND(name) [PSTI_KIND_##name] = &psti_engine_##name,
const psti_engine_kind *const psti_engine_kinds[PSTI_KINDS] = {
#include "model/kinds.def"
};
#undef PSTI_KIND

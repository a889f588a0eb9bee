/* The engine's part of each layer kind, in the order of kinds.def. */
#ifndef PSTI_ENGINE_KINDS_H
#define PSTI_ENGINE_KINDS_H

#include "engine/engine.h"

#define PSTI_KIND(name) extern const psti_engine_kind psti_engine_##name;
#include "model/kinds.def"
#undef PSTI_KIND

extern const psti_engine_kind *const psti_engine_kinds[PSTI_KINDS];

#endif

/* The softmax layer: over all features, after everything else. */
#include "model/model.h"

const psti_kind psti_kind_softmax = {.name = "softmax", .keeps_width = 1, .only_last = 1};

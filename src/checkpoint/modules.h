/* The modules of a bare state_dict: tensors grouped by the path in their names, and the one order that fits. */
#ifndef PSTI_CHECKPOINT_MODULES_H
#define PSTI_CHECKPOINT_MODULES_H

#include "checkpoint/checkpoint.h"

enum { PSTI_ROLE_W_IH, PSTI_ROLE_W_HH, PSTI_ROLE_B_IH, PSTI_ROLE_B_HH, PSTI_ROLES };

/* One LSTM layer's tensors, by role; NULL where absent. */
typedef struct {
    psti_entry *tensor[PSTI_ROLES];
} psti_lstm_tensors;

/* An nn.LSTM (or nn.LSTMCell), or an nn.Linear. */
typedef struct {
    size_t depth;              /* layers of an LSTM; 0: a Linear */
    psti_lstm_tensors *lstm;   /* [depth] */
    psti_entry *weight, *bias; /* of a Linear; bias may be NULL */
    uint64_t inputs, outputs;
} psti_module;

/* Puts the modules into the order of the data, if sizes leave exactly one. */
pst_status psti_modules_order(psti_checkpoint *c, psti_module *modules, size_t count);

#endif

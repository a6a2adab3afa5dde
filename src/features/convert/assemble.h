#pragma once
/* Putting a run together: inputs opened, outputs planned, renditions shared, feeds laid. */
#include "features/convert/run.h"

/* Open every input that an output uses, and lay the joined ones one after the other. */
kn_code kn_run_open_inputs(struct kn_run *run, struct kn_error *err);

/* Decide what each output becomes; one that cannot be made has its error set. */
kn_code kn_run_plan(struct kn_run *run, struct kn_error *err);

/*
 * Make the muxes, renditions and feeds of one pass, and the demuxers. Pass 1 makes only the pictures
 * of two-pass outputs and writes nothing.
 */
kn_code kn_run_assemble(struct kn_run *run, int pass, struct kn_error *err);

/* Release what a pass made, but for the outputs' muxes. All threads have ended. */
void kn_run_disassemble(struct kn_run *run);

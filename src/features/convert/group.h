#pragma once
/* The manifests of Hls and Dash groups, written when their outputs are done. */
#include "features/convert/run.h"

/* Write the manifest of a group; outputs that failed are left out. No manifest: nothing to do. */
kn_code kn_group_write(struct kn_run *run, int group, struct kn_error *err);

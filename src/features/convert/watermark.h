#pragma once
/*
 * Watermarks: images are decoded once and laid over by libavfilter's overlay; text becomes an ASS
 * script that libass draws.
 */
#include <libavutil/frame.h>

#include "base/buf.h"
#include "base/error.h"
#include "engine/media/graph.h"

struct kn_output_run;

struct kn_watermarks {
    AVFrame *stills[KN_GRAPH_MAX_STILLS]; // owned
    int n_stills;
    struct kn_buf chain; // reads [m0], ends with the label that what follows reads; empty without any
};

/*
 * Load what an output asks for. Scripts are written into the scratch folder.
 */
kn_code kn_watermarks_load(struct kn_watermarks *marks, struct kn_output_run *output,
                           struct kn_error *err);
void kn_watermarks_clear(struct kn_watermarks *marks);

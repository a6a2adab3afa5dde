#pragma once
/* Playlists and manifests of segmented outputs, alone and in Hls and Dash groups. */
#include "features/convert/run.h"

/* An output's name without its extension: what its segments' names begin with. In the run's arena;
 * NULL without memory. */
const char *kn_output_base(struct kn_output_run *output);

/* How long it is: its longest track, captions among them. When all is written. */
int64_t kn_output_length_us(const struct kn_output_run *output);

/*
 * When the segments of an output are written: its caption files, a media playlist per rendition, and
 * a master playlist or MPD over them where there are several or the container asks for one.
 */
kn_code kn_output_write_manifests(struct kn_output_run *output, struct kn_error *err);

/* Write the manifest of a group; outputs that failed are left out. No manifest: nothing to do. */
kn_code kn_group_write(struct kn_run *run, int group, struct kn_error *err);

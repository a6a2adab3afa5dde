#pragma once
/*
 * A target with URI and Container as an output of a conversion: IMM's words in those of features/convert
 * (docs/convert.md). What has no counterpart there is refused by its path.
 *
 *   Video, Audio null                    copied
 *   TranscodeVideo, TranscodeAudio       Video, Audio of OverrideParams
 *   Stream                               Streams, CaptionStreams
 *   Segment                              the playlist's or manifest's container
 *   Subtitle without DisableSubtitle     KeepCaptions: all that the container takes
 */
#include <stdbool.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/error.h"

/*
 * Read `target`, whose place on the wire is `path` ("Targets[0]").
 *
 *   out_override   a new reference: OverrideParams
 *   out_extension  what a URI without extension ends in; static
 *   out_is_listed  the output is a playlist or a manifest: its name always ends in that extension
 */
kn_code kn_imm_convert_target(json_t **out_override, const char **out_extension, bool *out_is_listed,
                              const json_t *target, const char *path, struct kn_arena *arena,
                              struct kn_error *err);

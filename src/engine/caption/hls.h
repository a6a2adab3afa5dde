#pragma once
/*
 * WebVTT in HLS (RFC 8216, 3.5): the subtitle renditions of a master playlist, or one media playlist of WebVTT
 * segments, each as a caption track. libavformat 5.1 passes them over.
 *
 * A segment's X-TIMESTAMP-MAP says where its times lie on the media's clock; without one they are the
 * presentation's. A cue that stands in several segments, or is cut at their borders, is one.
 */
#include "engine/caption/harvest.h"
#include "engine/media/input.h"

/*
 * *out_harvest stays NULL when `source` is no playlist, or one without WebVTT.
 *
 *   source  borrowed
 *   env     its `impl` is borrowed until kn_harvest_free()
 */
kn_code kn_hls_captions_open(struct kn_harvest **out_harvest, struct kn_source *source,
                             const struct kn_input_env *env, struct kn_error *err);

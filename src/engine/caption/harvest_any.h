#pragma once
/*
 * Harvest, of any film: Matroska, MP4 and VobSub's pairs of files by their own readers (harvest.h,
 * vobsub.h), everything else, and captions that lie inside pictures (CEA-608 and 708 in H.264, HEVC and
 * MPEG-2), through libavformat, which must read the whole file.
 *
 * A picture stream with closed captions is one track of codec KN_CAPTION_CEA608 behind the others; its
 * packets are cc_data triplets of all channels, in the order they are shown. They are looked for in the
 * first KN_HARVEST_LOOK_US of a film that has no caption tracks of its own, or is neither Matroska nor MP4.
 *
 * A broadcast (MPEG-TS) may begin with streams at any time: a short one is looked through, of a long one places are
 * looked at beforehand (harvest_ahead.h; facts.is_partly_known). `env->looks_everywhere` looks through all of it.
 */
#include "base/time.h"
#include "engine/caption/harvest.h"
#include "engine/media/input.h"

#define KN_HARVEST_LOOK_US (30 * KN_SECOND)

/*
 * Open a film by its URI; what a playlist names is opened through `env` too.
 *
 *   env  its `impl` and `stop` are borrowed until kn_harvest_free()
 *
 * Fails as kn_input_open().
 */
kn_code kn_harvest_open_any(struct kn_harvest **out_harvest, const char *uri,
                            const struct kn_input_env *env, struct kn_error *err);

/*
 * The same by libavformat, whatever the film is: closed captions inside its pictures are looked for although it has
 * caption tracks, behind which they are counted. Fails as kn_harvest_open_any().
 */
kn_code kn_harvest_open_inside(struct kn_harvest **out_harvest, const char *uri, const struct kn_input_env *env,
                               struct kn_error *err);

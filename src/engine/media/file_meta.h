#pragma once
/* OutFileMeta: what a media file is, in the words and formats of the wire (spec 02, 4.1). */
#include <jansson.h>

#include "engine/media/input.h"

/*
 * A new object {FileBasicInfo, VideoStreamInfoList, AudioStreamInfoList}, or NULL without memory.
 *   file_type  "source_file" or "transcode_file"
 *   uri        goes into FileUrl, its last part into FileName
 *
 * Beside the vendor's members each audio stream carries "Default" ("1" or "0"), and captions are
 * listed in SubtitleStreamInfoList when there are any.
 */
json_t *kn_file_meta(const struct kn_input *input, const char *uri, const char *file_type);

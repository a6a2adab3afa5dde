#pragma once
/* OutFileMeta: what a media file is, in the words and formats of the wire (spec 02, 4.1). */
#include <jansson.h>

#include "engine/media/input.h"
#include "engine/media/ledger.h"

/*
 * A new object {FileBasicInfo, VideoStreamInfoList, AudioStreamInfoList}, or NULL without memory.
 *   file_type  "source_file" or "transcode_file"
 *   uri        goes into FileUrl, its last part into FileName
 *
 * Beside the vendor's members each audio stream carries "Default" ("1" or "0"), and captions are
 * listed in SubtitleStreamInfoList when there are any.
 */
json_t *kn_file_meta(const struct kn_input *input, const char *uri, const char *file_type);

/*
 * The same for what lies in many files: kn_file_meta_new() has no streams yet, the caller takes them from
 * the meta of its files. set_track() says of such a stream where it stands and what was written of it in
 * all, set_whole() what the files are together.
 */
json_t *kn_file_meta_new(const char *uri, const char *file_type);
void kn_file_meta_set_track(json_t *info, int index, bool is_video, const struct kn_ledger *written);
void kn_file_meta_set_whole(json_t *meta, const char *format_name, int64_t size_bytes,
                            int64_t duration_us);

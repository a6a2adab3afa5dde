#pragma once
/*
 * Names of outputs: placeholders (spec 02, 5.2) and the extension.
 *
 * For an input a/b/c.flv: {ObjectPrefix} a/b/, {FileName} and {SourceName} c, {ExtName} flv.
 * {MediaId}, {JobId} where known. {DestMd5} and {DestAvgBitrate} are left for
 * kn_convert_name_finish(); all other braces stay as they are.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* Append `name` with what is known before the run filled in. job_id may be NULL. */
void kn_convert_name_expand(struct kn_buf *out, const char *name, const char *first_input_uri,
                            const char *job_id);
/* Append ".<extension>" unless the last path element of `out` ends in it, ASCII case ignored. */
void kn_convert_name_extend(struct kn_buf *out, const char *extension);

/* Whether a final name must wait for the encoded file. */
bool kn_convert_name_is_open(const char *uri);
/* Append `uri` with {DestMd5} (lower hex) and {DestAvgBitrate} (kbit/s, rounded) filled in. */
void kn_convert_name_finish(struct kn_buf *out, const char *uri, const char *md5_hex,
                            int64_t bitrate_bps);

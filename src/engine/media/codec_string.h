#pragma once
/* What manifests call a codec (RFC 6381): "avc1.64001f", "mp4a.40.2". */
#include <stdbool.h>

#include <libavcodec/codec_par.h>

#include "base/buf.h"

/* Append it; false, and nothing appended, when there is none or the parameters do not tell. */
bool kn_codec_string(struct kn_buf *out, const AVCodecParameters *parameters);

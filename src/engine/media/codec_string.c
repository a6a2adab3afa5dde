/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/media/codec_string.h"

#include <libavcodec/avcodec.h>
#include <libavutil/pixdesc.h>

// The three bytes after the type of the first sequence parameter set: profile, constraints, level.
static const uint8_t *h264_profile_bytes(const AVCodecParameters *par)
{
    const uint8_t *p = par->extradata;
    if (par->extradata_size < 8)
        return NULL;
    if (p[0] == 1) // an avcC record repeats them
        return p + 1;
    for (int i = 0; i + 7 < par->extradata_size; i++)
        if (p[i] == 0 && p[i + 1] == 0 && p[i + 2] == 1 && (p[i + 3] & 0x1f) == 7)
            return p + i + 4;
    return NULL;
}

static bool h264_string(struct kn_buf *out, const AVCodecParameters *par)
{
    const uint8_t *bytes = h264_profile_bytes(par);
    if (bytes)
        kn_buf_printf(out, "avc1.%02x%02x%02x", bytes[0], bytes[1], bytes[2]);
    else if (par->profile > 0 && par->level > 0)
        kn_buf_printf(out, "avc1.%02x00%02x", par->profile & 0xff, par->level);
    else
        return false;
    return true;
}

bool kn_codec_string(struct kn_buf *out, const AVCodecParameters *par)
{
    switch (par->codec_id) {
    case AV_CODEC_ID_H264: return h264_string(out, par);
    case AV_CODEC_ID_HEVC: {
        // ISO/IEC 14496-15, E.3: profile, its compatibility flags, tier and level, constraints.
        const int profile = par->profile > 0 ? par->profile : 1;
        kn_buf_printf(out, "hvc1.%d.%x.L%d.b0", profile, profile == 2 ? 4 : 6,
                      par->level > 0 ? par->level : 93);
        return true;
    }
    case AV_CODEC_ID_AV1: {
        const AVPixFmtDescriptor *pixels = av_pix_fmt_desc_get(par->format);
        kn_buf_printf(out, "av01.%d.%02dM.%02d", par->profile > 0 ? par->profile : 0,
                      par->level > 0 ? par->level : 8, pixels ? pixels->comp[0].depth : 8);
        return true;
    }
    case AV_CODEC_ID_AAC:
        // MPEG-4 audio object types (ISO/IEC 14496-3): FFmpeg's profile is one less.
        kn_buf_printf(out, "mp4a.40.%d", par->profile >= 0 ? par->profile + 1 : 2);
        return true;
    case AV_CODEC_ID_MP3: kn_buf_puts(out, "mp4a.40.34"); return true;
    case AV_CODEC_ID_AC3: kn_buf_puts(out, "ac-3"); return true;
    case AV_CODEC_ID_EAC3: kn_buf_puts(out, "ec-3"); return true;
    case AV_CODEC_ID_OPUS: kn_buf_puts(out, "opus"); return true;
    case AV_CODEC_ID_FLAC: kn_buf_puts(out, "fLaC"); return true;
    default: return false;
    }
}

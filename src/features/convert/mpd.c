/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * DASH MPD. Segments are listed one by one (SegmentList with a SegmentTimeline), because their
 * names come from the run and need follow no pattern.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "features/convert/language.h"
#include "features/convert/manifest.h"

static void xml_text(struct kn_buf *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&': kn_buf_puts(out, "&amp;"); break;
        case '<': kn_buf_puts(out, "&lt;"); break;
        case '>': kn_buf_puts(out, "&gt;"); break;
        case '"': kn_buf_puts(out, "&quot;"); break;
        default: kn_buf_putc(out, *text);
        }
    }
}

static kn_code xml_address(struct kn_buf *out, const char *manifest, const char *target,
                           struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf relative = {0};
    kn_code rc = kn_manifest_relative(&relative, manifest, target, err);
    xml_text(out, kn_buf_text(&relative));
    return rc;
}

static const char *known_language(const struct kn_dash_track *track)
{
    return track->language && track->language[0] && !kn_equal(track->language, "und")
               ? track->language
               : NULL;
}

static bool share_set(const struct kn_dash_track *a, const struct kn_dash_track *b)
{
    return a->kind == b->kind &&
           (a->kind == KN_RENDITION_VIDEO || kn_equal(known_language(a), known_language(b)));
}

static kn_code segments_write(struct kn_buf *out, const char *manifest,
                              const struct kn_dash_track *track, struct kn_error *err)
{
    kn_buf_puts(out, "        <SegmentList timescale=\"1000000\">\n"
                     "          <Initialization sourceURL=\"");
    kn_code rc = xml_address(out, manifest, track->init_uri, err);
    kn_buf_puts(out, "\"/>\n          <SegmentTimeline>\n");
    for (int i = 0; i < track->n_segments; i++)
        kn_buf_printf(out, "            <S%s d=\"%lld\"/>\n", i == 0 ? " t=\"0\"" : "",
                      (long long)track->segments[i].duration_us);
    kn_buf_puts(out, "          </SegmentTimeline>\n");
    for (int i = 0; i < track->n_segments && rc == KN_OK; i++) {
        kn_buf_puts(out, "          <SegmentURL media=\"");
        rc = xml_address(out, manifest, track->segments[i].uri, err);
        kn_buf_puts(out, "\"/>\n");
    }
    kn_buf_puts(out, "        </SegmentList>\n");
    return rc;
}

static kn_code track_write(struct kn_buf *out, const char *manifest,
                           const struct kn_dash_track *track, int id, struct kn_error *err)
{
    kn_buf_printf(out, "      <Representation id=\"%d\" bandwidth=\"%lld\"", id,
                  (long long)(track->bandwidth_bps > 0 ? track->bandwidth_bps : 1));
    if (track->codecs) {
        kn_buf_puts(out, " codecs=\"");
        xml_text(out, track->codecs);
        kn_buf_putc(out, '"');
    }
    if (track->kind == KN_RENDITION_VIDEO) {
        kn_buf_printf(out, " width=\"%d\" height=\"%d\"", track->width_px, track->height_px);
        if (track->fps_num > 0)
            kn_buf_printf(out, track->fps_den > 1 ? " frameRate=\"%d/%d\"" : " frameRate=\"%d\"",
                          track->fps_num, track->fps_den);
    }
    if (track->kind == KN_RENDITION_AUDIO && track->samplerate_hz > 0)
        kn_buf_printf(out, " audioSamplingRate=\"%d\"", track->samplerate_hz);
    kn_buf_puts(out, ">\n");
    if (track->kind == KN_RENDITION_AUDIO && track->channels > 0)
        kn_buf_printf(out,
                      "        <AudioChannelConfiguration schemeIdUri=\"urn:mpeg:dash:"
                      "23003:3:audio_channel_configuration:2011\" value=\"%d\"/>\n",
                      track->channels);
    kn_code rc = KN_OK;
    if (track->init_uri) {
        rc = segments_write(out, manifest, track, err);
    } else if (track->n_segments > 0) {
        kn_buf_puts(out, "        <BaseURL>");
        rc = xml_address(out, manifest, track->segments[0].uri, err);
        kn_buf_puts(out, "</BaseURL>\n");
    }
    kn_buf_puts(out, "      </Representation>\n");
    return rc;
}

static kn_code set_write(struct kn_buf *out, const char *manifest,
                         const struct kn_dash_track *tracks, int n_tracks, int first,
                         struct kn_error *err)
{
    static const char *const content[] = {"video", "video", "audio", "text"};
    const struct kn_dash_track *track = &tracks[first];
    const char *mime = !track->init_uri                       ? "text/vtt"
                       : track->kind == KN_RENDITION_AUDIO    ? "audio/mp4"
                       : track->kind == KN_RENDITION_SUBTITLE ? "application/mp4"
                                                              : "video/mp4";
    kn_buf_printf(out, "    <AdaptationSet contentType=\"%s\" mimeType=\"%s\"",
                  content[track->kind], mime);
    if (track->init_uri)
        kn_buf_puts(out, " segmentAlignment=\"true\" startWithSAP=\"1\"");
    if (track->kind != KN_RENDITION_VIDEO && known_language(track)) {
        char language[4];
        kn_language_short(language, known_language(track));
        kn_buf_puts(out, " lang=\"");
        xml_text(out, language);
        kn_buf_putc(out, '"');
    }
    kn_buf_puts(out, ">\n");
    kn_code rc = KN_OK;
    for (int i = first; i < n_tracks && rc == KN_OK; i++)
        if (share_set(track, &tracks[i]))
            rc = track_write(out, manifest, &tracks[i], i, err);
    kn_buf_puts(out, "    </AdaptationSet>\n");
    return rc;
}

kn_code kn_mpd_write(struct kn_buf *out, const char *manifest_uri, int64_t duration_us,
                     const struct kn_dash_track *tracks, int n_tracks, struct kn_error *err)
{
    kn_buf_printf(out,
                  "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                  "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" "
                  "profiles=\"urn:mpeg:dash:profile:isoff-main:2011\" type=\"static\" "
                  "mediaPresentationDuration=\"PT%.3fS\" minBufferTime=\"PT2S\">\n"
                  "  <Period id=\"0\" start=\"PT0S\">\n",
                  (double)duration_us / 1e6);
    kn_code rc = KN_OK;
    for (int i = 0; i < n_tracks && rc == KN_OK; i++) {
        bool is_first = true;
        for (int j = 0; j < i; j++)
            is_first = is_first && !share_set(&tracks[j], &tracks[i]);
        if (is_first)
            rc = set_write(out, manifest_uri, tracks, n_tracks, i, err);
    }
    kn_buf_puts(out, "  </Period>\n</MPD>\n");
    if (rc == KN_OK && !kn_buf_ok(out))
        rc = kn_fail(err, KN_ENOMEM, "no memory for '%s'", manifest_uri);
    return rc;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/caption/cue_packet.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/strings.h"
#include "engine/caption/ass.h"
#include "engine/caption/cea608.h"
#include "engine/caption/cea708.h"
#include "engine/caption/cea_cdp.h"
#include "engine/caption/finish.h"
#include "engine/caption/mp4_text.h"
#include "engine/caption/srt.h"
#include "engine/caption/teletext.h"
#include "engine/caption/text.h"
#include "engine/caption/ttml.h"
#include "engine/caption/usf.h"
#include "engine/caption/vtt.h"

// What is kept between packets; lies in the list's arena.
struct state {
    struct kn_ass_script *script;
    struct kn_usf *usf;
    struct kn_tx3g tx3g;
    struct kn_cea608 *cea608; // owned
    struct kn_cea708 *cea708; // owned
    struct kn_teletext *teletext; // owned
};

static void state_release(void *decoder)
{
    struct state *state = decoder;
    kn_cea608_free(&state->cea608);
    kn_cea708_free(&state->cea708);
    kn_teletext_free(&state->teletext);
}

/* ---- codecs ---- */
bool kn_caption_is_text(enum kn_caption_codec codec)
{
    return codec == KN_CAPTION_SRT_TEXT || kn_caption_is_ass(codec) || codec == KN_CAPTION_WEBVTT ||
        codec == KN_CAPTION_MOV_TEXT || codec == KN_CAPTION_WVTT || codec == KN_CAPTION_TTML ||
        codec == KN_CAPTION_USF || codec == KN_CAPTION_CEA608 || codec == KN_CAPTION_TELETEXT;
}

bool kn_caption_is_image(enum kn_caption_codec codec)
{
    return codec >= KN_CAPTION_PGS && codec <= KN_CAPTION_XSUB;
}

/* ---- packets ---- */
// Text of a container is UTF-8; writers that put a code page there are met all the same.
static kn_code text_decode(struct kn_cue_list *list, struct kn_buf *text, const uint8_t *bytes, size_t n,
                           struct kn_error *err)
{
    char encoding[40];
    const uint8_t *zero = n ? memchr(bytes, 0, n) : NULL;
    if (zero && kn_is_utf8(bytes, (size_t)(zero - bytes)))
        n = (size_t)(zero - bytes); // padded, or NUL-terminated
    const char *language = list->track.language[0] ? list->track.language : NULL;
    kn_code rc = kn_caption_decode(text, bytes, n, language, encoding, err);
    if (rc == KN_OK && (!list->encoding || kn_equal(list->encoding, "UTF-8")) &&
        !kn_equal(list->encoding, encoding))
        list->encoding = kn_arena_strdup(&list->arena, encoding);
    return rc;
}

kn_code kn_caption_begin(struct kn_cue_list *list, enum kn_caption_codec codec,
                         const uint8_t *private_bytes, size_t n, struct kn_error *err)
{
    if (!kn_caption_is_text(codec))
        return kn_fail_as(err, KN_EUNSUP, "UnsupportedCaption", "captions of kind '%s' are not read as text",
                          list->track.codec_name[0] ? list->track.codec_name : "unknown");
    struct state *state = KN_ARENA_NEW(&list->arena, struct state);
    if (!state)
        return kn_fail(err, KN_ENOMEM, "no memory for a caption stream");
    list->decoder = state;
    list->release = state_release;
    list->codec = codec;
    if (codec == KN_CAPTION_CEA608) {
        if (list->track.channel > 4)
            state->cea708 = kn_cea708_new(list, list->track.channel - 4);
        else
            state->cea608 = kn_cea608_new(list, list->track.channel);
        return state->cea608 || state->cea708 ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for captions");
    }
    if (codec == KN_CAPTION_TELETEXT) {
        state->teletext = kn_teletext_new(list, list->track.page);
        return state->teletext ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for captions");
    }
    if (codec == KN_CAPTION_MOV_TEXT)
        kn_tx3g_entry(&state->tx3g, list, private_bytes, n);
    kn_auto(kn_buf_clear) struct kn_buf header = {0};
    if (kn_caption_is_ass(codec) || codec == KN_CAPTION_USF || (n && (codec == KN_CAPTION_WEBVTT || codec == KN_CAPTION_WVTT))) {
        kn_code rc = text_decode(list, &header, private_bytes, n, err);
        if (rc != KN_OK)
            return rc;
    }
    if (kn_caption_is_ass(codec))
        return kn_ass_header(list, &state->script, kn_buf_text(&header), header.len, err);
    if (codec == KN_CAPTION_USF)
        return kn_usf_header(list, &state->usf, kn_buf_text(&header), header.len, err);
    if (header.len)
        return kn_vtt_header(list, kn_buf_text(&header), header.len, err);
    return KN_OK;
}

kn_code kn_cue_of_packet(struct kn_cue_list *list, const struct kn_caption_packet *packet,
                         struct kn_cue **out, struct kn_error *err)
{
    kn_code rc = kn_cue_list_add(list, out, err);
    if (rc != KN_OK)
        return rc;
    (*out)->start_us = packet->start_us;
    if (packet->duration_us > 0)
        (*out)->end_us = packet->start_us + packet->duration_us;
    return KN_OK;
}

static kn_code cue_packet(struct kn_cue_list *list, const struct kn_caption_packet *packet,
                          const struct kn_buf *text, struct kn_error *err)
{
    struct kn_cue *cue;
    kn_code rc = kn_cue_of_packet(list, packet, &cue, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_cue_builder_clear) struct kn_cue_builder builder;
    kn_cue_builder_init(&builder, list);
    if (list->codec == KN_CAPTION_SRT_TEXT)
        return kn_srt_cue_text(&builder, cue, kn_buf_text(text), text->len, err);
    if (packet->id && *packet->id)
        cue->id = kn_arena_strdup(&list->arena, packet->id);
    if (packet->settings && *packet->settings) {
        cue->settings = kn_arena_strdup(&list->arena, packet->settings);
        kn_vtt_settings(list, cue, packet->settings, strlen(packet->settings), 0);
    }
    return kn_vtt_cue_text(&builder, cue, kn_buf_text(text), text->len, err);
}

// Triplets, boxes of triplets (c708), or boxes of pairs (c608), which have no services.
static kn_code cea_packet(const struct state *state, const struct kn_caption_packet *packet, struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf triplets = {0};
    const uint8_t *bytes = packet->bytes;
    size_t n = packet->n;
    if (kn_cea_is_boxes(bytes, n)) {
        if (kn_cea_cdp_boxes(&triplets, bytes, n)) {
            bytes = (const uint8_t *)kn_buf_text(&triplets);
            n = triplets.len;
        } else if (state->cea708) {
            return KN_OK;
        }
        if (!kn_buf_ok(&triplets))
            return kn_fail(err, KN_ENOMEM, "no memory for closed captions");
    }
    return state->cea708 ? kn_cea708_packet(state->cea708, bytes, n, packet->start_us, err)
                         : kn_cea608_packet(state->cea608, bytes, n, packet->start_us, packet->duration_us, err);
}

// A document that cannot be read is a loss, not the end of the stream.
static kn_code ttml_packet(struct kn_cue_list *list, const struct kn_buf *text, int64_t start_us,
                           int64_t end_us, struct kn_error *err)
{
    struct kn_error reason = {0};
    kn_code rc = kn_ttml_sample(list, kn_buf_text(text), text->len, start_us, end_us, &reason);
    if (rc == KN_EMEDIA) {
        kn_cue_list_warn(list, 0, "the sample at %.3f s: %s", (double)start_us / KN_SECOND, reason.message);
        return KN_OK;
    }
    if (rc != KN_OK && err)
        *err = reason;
    return rc;
}

kn_code kn_caption_packet(struct kn_cue_list *list, enum kn_caption_codec codec,
                          const struct kn_caption_packet *packet, struct kn_error *err)
{
    struct state *state = list->decoder;
    if (!state || codec != list->codec || packet->start_us == KN_NO_TIME)
        return kn_fail(err, KN_EBUG, "a caption packet without its stream or its time");
    if (packet->n > KN_MAX_CAPTION_BYTES) {
        kn_cue_list_warn(list, 0, "a packet of %zu bytes is left out", packet->n);
        return KN_OK;
    }
    if (codec == KN_CAPTION_MOV_TEXT)
        return kn_tx3g_sample(list, &state->tx3g, packet, err);
    if (codec == KN_CAPTION_WVTT)
        return kn_wvtt_sample(list, packet, err);
    if (state->teletext)
        return kn_teletext_packet(state->teletext, packet->bytes, packet->n, packet->start_us, err);
    if (codec == KN_CAPTION_CEA608)
        return cea_packet(state, packet, err);
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    kn_code rc = text_decode(list, &text, packet->bytes, packet->n, err);
    if (rc != KN_OK)
        return rc;
    const int64_t end_us = packet->duration_us > 0 ? packet->start_us + packet->duration_us : KN_NO_TIME;
    if (codec == KN_CAPTION_TTML)
        return ttml_packet(list, &text, packet->start_us, end_us, err);
    if (codec == KN_CAPTION_USF)
        return kn_usf_packet(list, state->usf, kn_buf_text(&text), text.len, packet->start_us, end_us, err);
    if (kn_caption_is_ass(codec)) {
        return kn_ass_packet(list, state->script, kn_buf_text(&text), text.len, packet->start_us, end_us, err);
    }
    return cue_packet(list, packet, &text, err);
}

unsigned kn_caption_channels(const struct kn_cue_list *list)
{
    const struct state *state = list->decoder;
    if (state && state->cea708)
        return kn_cea708_services(state->cea708) << 4;
    return state && state->cea608 ? kn_cea608_channels(state->cea608) : 0;
}

kn_code kn_caption_end(struct kn_cue_list *list, int64_t media_end_us, struct kn_error *err)
{
    const struct state *state = list->decoder;
    kn_code rc = state && state->cea608 ? kn_cea608_end(state->cea608, KN_NO_TIME, err) : KN_OK;
    if (state && state->cea708)
        rc = kn_cea708_end(state->cea708, err);
    if (state && state->teletext)
        rc = kn_teletext_end(state->teletext, err);
    kn_cue_list_finish(list, media_end_us);
    return rc;
}

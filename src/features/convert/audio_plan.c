/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "features/convert/audio_plan.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "engine/media/encode.h"
#include "features/convert/formats.h"
#include "features/convert/language.h"

/* ---- which stream ---- */
static bool stream_matches(const AVStream *st, const struct kn_convert_selector *selector)
{
    for (int i = 0; i < selector->n_matches; i++) {
        const struct kn_tag_match *m = &selector->matches[i];
        const AVDictionaryEntry *tag = av_dict_get(st->metadata, m->name, NULL, 0);
        const char *value = tag ? tag->value : "";
        if (kn_equal_nocase(m->name, "language") ? !kn_language_equal(value, m->value)
                                                 : !kn_equal_nocase(value, m->value))
            return false;
    }
    return true;
}

kn_code kn_audio_select(const AVStream **out, const struct kn_convert_audio *audio,
                        const struct kn_convert_input *named, const struct kn_input *input,
                        struct kn_error *err)
{
    const AVStream *st;
    for (int nth = 0; (st = kn_input_stream(input, AVMEDIA_TYPE_AUDIO, nth)); nth++)
        if (audio->selector_index < 0 ||
            stream_matches(st, &named->selectors[audio->selector_index])) {
            *out = st;
            return KN_OK;
        }
    if (audio->selector_index >= 0)
        return kn_fail_as(err, KN_EINVAL, "NoAudioStream",
                          "no audio stream of '%s' is what the AudioSelector '%s' asks for", input->uri,
                          named->selectors[audio->selector_index].name);
    return kn_fail_as(err, KN_EINVAL, "NoAudioStream", "'%s' has no audio stream", input->uri);
}

static void plan_language(struct kn_audio_plan *plan, const struct kn_convert_audio *audio,
                          const AVStream *st)
{
    const char *own = kn_input_language(st);
    if (audio->language_control == KN_LANGUAGE_INPUT_FIRST && own &&
        kn_language_normalize(plan->language, own))
        return;
    (void)kn_copy(plan->language, sizeof(plan->language), audio->language[0] ? audio->language : "und");
}

/* ---- encoder ---- */
static kn_code plan_aac(struct kn_audio_plan *plan, const struct kn_convert_audio *audio,
                        struct kn_error *err)
{
    static const struct {
        int profile;
        const char *name;
    } profiles[] = {
        [KN_AAC_LOW] = {FF_PROFILE_AAC_LOW, "AAC-LC"},   [KN_AAC_HE] = {FF_PROFILE_AAC_HE, "HE-AAC"},
        [KN_AAC_HE_V2] = {FF_PROFILE_AAC_HE_V2, "HE-AAC v2"}, [KN_AAC_LD] = {FF_PROFILE_AAC_LD, "AAC-LD"},
        [KN_AAC_ELD] = {FF_PROFILE_AAC_ELD, "AAC-ELD"},
    };
    plan->profile = profiles[audio->profile].profile;
    if (audio->profile == KN_AAC_LOW)
        return KN_OK;
    if (avcodec_find_encoder_by_name("libfdk_aac")) {
        plan->encoder = "libfdk_aac";
        return KN_OK;
    }
    if (!audio->allow_low_complexity)
        return kn_fail(err, KN_EUNSUP,
                       "no encoder for %s here: install an FFmpeg with libfdk_aac, or set "
                       "AllowLowComplexity to take AAC-LC", profiles[audio->profile].name);
    plan->profile = FF_PROFILE_AAC_LOW;
    plan->note = "AAC-LC stands in for HE-AAC: no libfdk_aac is installed";
    return KN_OK;
}

static kn_code plan_volume(struct kn_audio_plan *plan, const struct kn_convert_volume *volume,
                           struct kn_arena *arena, struct kn_error *err)
{
    plan->filter = "";
    if (volume->method == KN_VOLUME_LINEAR)
        plan->filter = kn_arena_printf(arena, "volume=%gdB,", volume->gain_db);
    else if (volume->method == KN_VOLUME_DYNAMIC)
        plan->filter = kn_arena_printf(arena, "loudnorm=I=%g:LRA=%g:TP=%g,", volume->loudness_lufs,
                                       volume->range_lu, volume->true_peak_dbtp);
    return plan->filter ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for filters");
}

static kn_code plan_bitrate(struct kn_audio_plan *plan, const struct kn_convert_output *output,
                            const struct kn_convert_audio *audio, const AVStream *st,
                            struct kn_error *err)
{
    const int64_t source = st->codecpar->bit_rate;
    const bool same_codec = st->codecpar->codec_id == kn_audio_codec_id(audio->codec);
    plan->bitrate_bps = audio->bitrate_bps;
    if (source <= 0 || source >= plan->bitrate_bps)
        return KN_OK;
    switch (output->trans.audio_bitrate) {
    case KN_CHECK_OFF: break;
    case KN_CHECK_IF_SAME_CODEC: plan->bitrate_bps = same_codec ? source : plan->bitrate_bps; break;
    case KN_CHECK_USE_INPUT: plan->bitrate_bps = source; break;
    case KN_CHECK_FAIL:
        return kn_fail_as(err, KN_EINVAL, "OutOfRange",
                          "the input's %lld kbit/s of sound are below the target of %lld "
                          "(IsCheckAudioBitrateFail)", (long long)(source / 1000),
                          (long long)(plan->bitrate_bps / 1000));
    }
    return KN_OK;
}

static bool source_fits(const struct kn_audio_plan *plan, const struct kn_convert_output *output,
                        const struct kn_convert_audio *audio, const AVCodecParameters *par)
{
    const bool same_profile = par->codec_id != AV_CODEC_ID_AAC || par->profile == plan->profile;
    return !output->trans.force_transcode && audio->volume.method == KN_VOLUME_UNTOUCHED &&
           par->codec_id == kn_audio_codec_id(audio->codec) && same_profile &&
           par->sample_rate == plan->samplerate_hz &&
           par->ch_layout.nb_channels == plan->channels && par->bit_rate > 0 &&
           par->bit_rate <= audio->bitrate_bps + audio->bitrate_bps / 50 &&
           kn_container_takes(output->container, par->codec_id);
}

kn_code kn_audio_plan(struct kn_audio_plan *plan, const struct kn_convert_output *output,
                      const struct kn_convert_audio *audio, const AVStream *stream, bool is_cut,
                      struct kn_arena *arena, struct kn_error *err)
{
    *plan = (struct kn_audio_plan){.profile = FF_PROFILE_UNKNOWN, .filter = ""};
    const AVCodecParameters *par = stream->codecpar;
    plan_language(plan, audio, stream);
    if (audio->mode == KN_STREAM_COPY) {
        if (!kn_container_takes(output->container, par->codec_id))
            return kn_fail(err, KN_EUNSUP, "%s audio cannot be copied into %s",
                           avcodec_get_name(par->codec_id), kn_container_name(output->container));
        plan->is_copy = true;
        return KN_OK;
    }
    kn_code rc = kn_audio_encoder_name(audio->codec, &plan->encoder, err);
    if (rc == KN_OK && audio->codec == KN_AUDIO_AAC)
        rc = plan_aac(plan, audio, err);
    if (rc == KN_OK)
        rc = plan_bitrate(plan, output, audio, stream, err);
    if (rc == KN_OK)
        rc = plan_volume(plan, &audio->volume, arena, err);
    if (rc != KN_OK)
        return rc;
    const AVCodec *codec = avcodec_find_encoder_by_name(plan->encoder);
    plan->samplerate_hz = kn_encoder_sample_rate(codec, audio->samplerate_hz);
    plan->sample_format = kn_encoder_sample_format(codec);
    plan->channels = audio->channels ? audio->channels : par->ch_layout.nb_channels;
    plan->is_copy = !is_cut && source_fits(plan, output, audio, par);
    return KN_OK;
}

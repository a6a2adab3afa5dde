/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "features/convert/audio_plan.h"

#include <math.h>

#include "base/cleanup.h"
#include "engine/media/encode.h"
#include "features/convert/formats.h"
#include "features/convert/resolve.h"

// How far the loudness may be off before Volume "auto" does something (spec 02, 6.2).
#define AUTO_TOLERANCE_LU 2.0

/* ---- which stream ---- */
// The tags a selector looks at, as kn_resolve_audio_stream() wants them.
static kn_code stream_facts(struct kn_stream_facts *facts, const AVStream *st,
                            const struct kn_convert_selector *selector, struct kn_arena *arena,
                            struct kn_error *err)
{
    *facts = (struct kn_stream_facts){
        .is_audio = st->codecpar->codec_type == AVMEDIA_TYPE_AUDIO,
        .language = kn_input_language(st),
    };
    struct kn_tag_match *tags =
        kn_arena_array(arena, selector ? (size_t)selector->n_matches : 0, sizeof(*tags));
    for (int i = 0; tags && selector && i < selector->n_matches; i++) {
        const AVDictionaryEntry *tag = av_dict_get(st->metadata, selector->matches[i].name, NULL, 0);
        if (tag)
            tags[facts->n_tags++] = (struct kn_tag_match){tag->key, tag->value};
    }
    facts->tags = tags;
    return tags || !selector ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for streams");
}

kn_code kn_audio_select(const AVStream **out, const struct kn_convert_audio *audio,
                        const struct kn_convert_input *named, const struct kn_input *input,
                        struct kn_arena *arena, struct kn_error *err)
{
    const struct kn_convert_selector *selector =
        audio->selector_index < 0 ? NULL : &named->selectors[audio->selector_index];
    const int n = (int)input->format->nb_streams;
    struct kn_stream_facts *facts = kn_arena_array(arena, (size_t)n, sizeof(*facts));
    kn_code rc = facts ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for streams");
    for (int i = 0; rc == KN_OK && i < n; i++)
        rc = stream_facts(&facts[i], input->format->streams[i], selector, arena, err);
    int position = 0;
    if (rc == KN_OK)
        rc = kn_resolve_audio_stream(&position, facts, n, selector, err);
    if (rc != KN_OK)
        return kn_error_prefix(err, "'%s'", input->uri);
    *out = input->format->streams[position];
    return KN_OK;
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

// Loudness to the targets: a constant gain where that keeps the peaks, else with compression.
static const char *normalising(const struct kn_convert_volume *volume,
                               const struct kn_loudness *loudness, struct kn_arena *arena)
{
    const double gain_db = volume->loudness_lufs - loudness->integrated_lufs;
    if (loudness->range_lu <= volume->range_lu &&
        loudness->true_peak_dbtp + gain_db <= volume->true_peak_dbtp)
        return kn_arena_printf(arena, "volume=%.2fdB,", gain_db);
    return kn_arena_printf(
        arena,
        "loudnorm=I=%g:LRA=%g:TP=%g:measured_I=%.2f:measured_LRA=%.2f:measured_TP=%.2f:"
        "measured_thresh=%.2f:linear=false,",
        volume->loudness_lufs, volume->range_lu, volume->true_peak_dbtp, loudness->integrated_lufs,
        fmin(loudness->range_lu, 99), fmin(fmax(loudness->true_peak_dbtp, -99), 99),
        fmin(fmax(loudness->threshold_lufs, -99), 0));
}

static kn_code plan_volume(struct kn_audio_plan *plan, const struct kn_convert_volume *volume,
                           const struct kn_loudness *loudness, struct kn_arena *arena,
                           struct kn_error *err)
{
    plan->filter = "";
    switch (volume->method) {
    case KN_VOLUME_UNTOUCHED: return KN_OK;
    case KN_VOLUME_LINEAR:
        plan->filter = kn_arena_printf(arena, "volume=%gdB,", volume->gain_db);
        break;
    case KN_VOLUME_DYNAMIC:
    case KN_VOLUME_AUTO:
        if (loudness->integrated_lufs < -70) { // the gate of EBU R128: nothing to be heard
            plan->note = plan->note ? plan->note : "the sound is silent: its volume was left as it is";
            return KN_OK;
        }
        if (volume->method == KN_VOLUME_AUTO &&
            fabs(loudness->integrated_lufs - volume->loudness_lufs) <= AUTO_TOLERANCE_LU)
            return KN_OK;
        plan->filter = normalising(volume, loudness, arena);
        break;
    }
    return plan->filter ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for filters");
}

bool kn_audio_wants_loudness(const struct kn_convert_audio *audio)
{
    return audio->mode == KN_STREAM_ENCODE && (audio->volume.method == KN_VOLUME_DYNAMIC ||
                                               audio->volume.method == KN_VOLUME_AUTO);
}

// As many channels as the source has, as far as the codec goes.
static int channels_as_source(const AVCodec *codec, int channels)
{
    int best = 0;
    for (const AVChannelLayout *l = codec->ch_layouts; l && l->nb_channels; l++)
        if (l->nb_channels <= channels)
            best = FFMAX(best, l->nb_channels);
    return best ? best : channels;
}

// inferred: Quality says how much is kept, from little to what nobody hears, on the scale of encoders that have one
// (LAME's V9 to V0, Vorbis' 0 to 10); others get a bit rate that grows with it, 24 to 128 kbit/s a channel.
static void plan_quality(struct kn_audio_plan *plan, const struct kn_convert_audio *audio)
{
    if (audio->quality < 0)
        return;
    plan->has_quality = audio->codec == KN_AUDIO_MP3 || audio->codec == KN_AUDIO_VORBIS;
    plan->quality = audio->codec == KN_AUDIO_MP3 ? (100 - audio->quality) * 0.09 : audio->quality / 10;
    plan->bitrate_bps = (int64_t)((24000 + 1040 * audio->quality) * FFMAX(plan->channels, 1));
    if (audio->codec == KN_AUDIO_AC3 || audio->codec == KN_AUDIO_EAC3)
        plan->bitrate_bps = FFMIN(plan->bitrate_bps, 640000); // the most that AC-3 has
    if (audio->codec == KN_AUDIO_MP2)
        plan->bitrate_bps = FFMIN(plan->bitrate_bps, 384000);
    if (plan->has_quality)
        plan->bitrate_bps = 0;
}

static bool source_fits(const struct kn_audio_plan *plan, const struct kn_convert_output *output,
                        const struct kn_convert_audio *audio, const AVCodecParameters *par)
{
    const bool same_profile = par->codec_id != AV_CODEC_ID_AAC || par->profile == plan->profile;
    return !output->trans.force_transcode && audio->quality < 0 &&
           (!audio->bits_per_sample || audio->bits_per_sample == par->bits_per_raw_sample) &&
           audio->volume.method != KN_VOLUME_LINEAR && !plan->filter[0] &&
           par->codec_id == kn_audio_codec_id(audio->codec) && same_profile &&
           par->sample_rate == plan->samplerate_hz &&
           par->ch_layout.nb_channels == plan->channels && par->bit_rate > 0 &&
           par->bit_rate <= audio->bitrate_bps + audio->bitrate_bps / 50 &&
           kn_container_takes(output->container, par->codec_id);
}

kn_code kn_audio_plan(struct kn_audio_plan *plan, const struct kn_convert_output *output,
                      const struct kn_convert_audio *audio, const AVStream *stream, bool is_cut,
                      const struct kn_loudness *loudness, struct kn_arena *arena,
                      struct kn_error *err)
{
    *plan = (struct kn_audio_plan){.profile = FF_PROFILE_UNKNOWN, .filter = ""};
    const AVCodecParameters *par = stream->codecpar;
    int wanted_hz = 0;
    kn_resolve_language(plan->language, audio->language_control, audio->language,
                        kn_input_language(stream));
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
        rc = kn_resolve_samplerate(&wanted_hz, par->sample_rate, audio, output->trans.samplerate, err);
    if (rc == KN_OK)
        rc = kn_resolve_audio_bitrate(&plan->bitrate_bps, par->bit_rate,
                                      par->codec_id == kn_audio_codec_id(audio->codec), audio,
                                      output->trans.audio_bitrate, err);
    if (rc == KN_OK)
        rc = plan_volume(plan, &audio->volume, loudness, arena, err);
    if (rc != KN_OK)
        return rc;
    const AVCodec *codec = avcodec_find_encoder_by_name(plan->encoder);
    plan->samplerate_hz = kn_encoder_sample_rate(codec, wanted_hz);
    plan->bits_per_sample = audio->bits_per_sample;
    plan->sample_format = audio->bits_per_sample == 24 ? AV_SAMPLE_FMT_S32 : kn_encoder_sample_format(codec);
    plan->channels = audio->channels
        ? audio->channels : channels_as_source(codec, par->ch_layout.nb_channels);
    plan_quality(plan, audio);
    plan->is_copy = !is_cut && source_fits(plan, output, audio, par);
    return KN_OK;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "features/convert/assemble.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "features/convert/border.h"
#include "features/convert/check_segments.h"
#include "features/convert/checkpoint.h"
#include "features/convert/extras.h"
#include "features/convert/formats.h"
#include "features/convert/group.h"
#include "features/convert/measure.h"
#include "features/convert/resolve.h"
#include "features/convert/title.h"

/* ---- inputs ---- */
static int64_t input_origin_us(const struct kn_run *run, int i)
{
    const AVStream *video = kn_run_stream(run, i, AVMEDIA_TYPE_VIDEO, 0);
    if (video && video->start_time != AV_NOPTS_VALUE)
        return av_rescale_q(video->start_time, video->time_base, AV_TIME_BASE_Q);
    return kn_input_start_us(run->inputs[i].input);
}

// How long a part lasts: its pictures, for those lead.
static int64_t input_duration_us(const struct kn_run *run, int i)
{
    const AVStream *video = kn_run_stream(run, i, AVMEDIA_TYPE_VIDEO, 0);
    return video ? kn_input_stream_duration_us(run->inputs[i].input, video)
                 : kn_input_duration_us(run->inputs[i].input);
}

kn_code kn_run_open_inputs(struct kn_run *run, struct kn_error *err)
{
    const struct kn_input_env env = {.open = kn_run_open_source, .impl = run, .stop = &run->stop};
    int64_t joined_us = 0;
    for (int i = 0; i < run->spec->n_inputs; i++) {
        struct kn_input_run *in = &run->inputs[i];
        bool is_manifest = false; // an existing playlist to be extended is no film
        for (int g = 0; g < run->spec->n_groups; g++)
            is_manifest |= run->spec->groups[g].extend_input == i;
        if (is_manifest)
            continue;
        kn_code rc = kn_input_open(&in->input, run->spec->inputs[i].uri, &env, err);
        if (rc != KN_OK)
            return rc;
        in->origin_us = input_origin_us(run, i);
        in->duration_us = input_duration_us(run, i);
        if (!kn_run_is_joined(run, i))
            continue;
        in->offset_us = joined_us;
        joined_us = joined_us == KN_NO_TIME || in->duration_us == KN_NO_TIME
            ? KN_NO_TIME : joined_us + in->duration_us;
        if (joined_us == KN_NO_TIME && i + 1 < run->spec->n_inputs && run->spec->inputs[i + 1].joins_first)
            return kn_fail_as(err, KN_EMEDIA, "ResourceContentBad",
                              "'%s' does not say how long it is, so nothing can be joined to it",
                              in->input->uri);
    }
    return KN_OK;
}

static bool has_joined(const struct kn_run *run)
{
    for (int i = 1; i < run->spec->n_inputs; i++)
        if (run->spec->inputs[i].joins_first)
            return true;
    return false;
}

/* ---- time ---- */
static kn_code plan_timeline(struct kn_output_run *o, int leader, struct kn_error *err)
{
    struct kn_run *run = o->run;
    struct kn_timeline_part *parts =
        kn_arena_array(&run->arena, (size_t)run->spec->n_inputs, sizeof(*parts));
    int n = 0;
    if (!parts)
        return kn_fail(err, KN_ENOMEM, "no memory for a timeline");
    for (int i = 0; i < run->spec->n_inputs; i++)
        if (i == leader || (kn_run_is_joined(run, leader) && kn_run_is_joined(run, i)))
            parts[n++] = (struct kn_timeline_part){run->inputs[i].offset_us, run->inputs[i].duration_us,
                                                   &run->spec->inputs[i].clip};
    return kn_timeline_plan(&o->timeline, &o->duration_us, parts, n, &o->spec->features.clip, &run->arena, err);
}

/* ---- planning ---- */
// The input that gives the size, the rate and the tracks where none is named.
static int find_input_with(const struct kn_run *run, enum AVMediaType kind)
{
    if (kn_run_stream(run, run->spec->alignment_index, kind, 0))
        return run->spec->alignment_index;
    for (int i = 0; i < run->spec->n_inputs; i++)
        if (kn_run_stream(run, i, kind, 0))
            return i;
    return -1;
}

static int video_input(const struct kn_run *run, const struct kn_convert_output *output)
{
    if (output->video.mode == KN_STREAM_DROP || !kn_container_format(output->container)->has_video)
        return -1;
    return output->video.input_index != KN_INPUT_AUTO ? output->video.input_index
                                                      : find_input_with(run, AVMEDIA_TYPE_VIDEO);
}

static int audio_input(const struct kn_run *run, const struct kn_convert_output *output,
                       const struct kn_convert_audio *audio)
{
    if (audio->input_index != KN_INPUT_AUTO)
        return audio->input_index;
    const int video = video_input(run, output);
    if (video >= 0 && kn_run_stream(run, video, AVMEDIA_TYPE_AUDIO, 0))
        return video;
    return find_input_with(run, AVMEDIA_TYPE_AUDIO);
}

// Whether an output shows an input otherwise than whole and by itself, so that packets cannot be copied.
static bool is_cut(const struct kn_output_run *o, int input)
{
    return o->spec->features.clip.is_set || o->run->spec->inputs[input].clip.is_set ||
           (kn_run_is_joined(o->run, input) && has_joined(o->run));
}

// Whether one of the inputs that an output shows one after the other has nothing to show.
static bool lacks_pictures(const struct kn_run *run, int video)
{
    for (int i = 0; kn_run_is_joined(run, video) && i < run->spec->n_inputs; i++)
        if (kn_run_is_joined(run, i) && !kn_run_stream(run, i, AVMEDIA_TYPE_VIDEO, 0))
            return true;
    return false;
}

static bool has_several_rates(const struct kn_run *run, int video)
{
    const AVStream *own = kn_run_stream(run, video, AVMEDIA_TYPE_VIDEO, 0);
    for (int i = 0; kn_run_is_joined(run, video) && i < run->spec->n_inputs; i++) {
        const AVStream *st = kn_run_is_joined(run, i) ? kn_run_stream(run, i, AVMEDIA_TYPE_VIDEO, 0) : NULL;
        if (st && av_cmp_q(st->avg_frame_rate, own->avg_frame_rate) != 0)
            return true;
    }
    return false;
}

static kn_code note_add(struct kn_output_run *o, const char *note, struct kn_error *err)
{
    if (note && json_array_append_new(o->notes, json_string(note)) != 0)
        return kn_fail(err, KN_ENOMEM, "no memory for notes");
    return KN_OK;
}

// Further video streams: the same is done to each.
static kn_code plan_more_videos(struct kn_output_run *o, int video, const int *nths, int n,
                                const struct kn_video_facts *first, struct kn_error *err)
{
    struct kn_run *run = o->run;
    const struct kn_container_format *format = kn_container_format(o->spec->container);
    if (format->is_single || format->is_segmented)
        return note_add(o, "video streams after the first were left out: the output holds one", err);
    if (o->video.n_passes == 2)
        return kn_fail_as(err, KN_EINVAL, "NotSupported", "Video.Streams of several streams goes with one pass");
    o->more_videos = kn_arena_array(&run->arena, (size_t)n, sizeof(*o->more_videos));
    kn_code rc = o->more_videos ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for tracks");
    for (int i = 0; rc == KN_OK && i < n; i++) {
        struct kn_video_facts facts = *first;
        facts.stream = kn_run_stream(run, video, AVMEDIA_TYPE_VIDEO, nths[i]);
        struct kn_more_video *more = &o->more_videos[o->n_more_videos++];
        more->nth = nths[i];
        rc = kn_video_plan(&more->plan, o->spec, &facts, &run->arena, err);
    }
    return rc;
}

static kn_code plan_output(struct kn_output_run *o, struct kn_error *err)
{
    struct kn_run *run = o->run;
    const int video = video_input(run, o->spec);
    int leader = video;
    if (leader < 0 && o->spec->n_audios)
        leader = audio_input(run, o->spec, &o->spec->audios[0]);
    if (leader < 0 && o->spec->n_subtitles)
        leader = o->spec->subtitles[0].input_index == KN_INPUT_AUTO ? 0 : o->spec->subtitles[0].input_index;
    if (leader < 0)
        return kn_fail_as(err, KN_EINVAL, "NoVideoStream", "no input has what the output asks for");
    kn_code rc = plan_timeline(o, leader, err);
    if (rc != KN_OK || video < 0)
        return rc;
    const struct kn_input *input = run->inputs[video].input;
    int *nths = kn_arena_array(&run->arena, input ? input->format->nb_streams : 0, sizeof(*nths));
    if (!kn_run_stream(run, video, AVMEDIA_TYPE_VIDEO, 0))
        return kn_fail_as(err, KN_EINVAL, "NoVideoStream", "'%s' has no video stream",
                          run->spec->inputs[video].uri);
    if (!nths)
        return kn_fail(err, KN_ENOMEM, "no memory for tracks");
    const int n = kn_run_choose(run, video, AVMEDIA_TYPE_VIDEO, &o->spec->video.streams, nths);
    if (n == 0)
        return note_add(o, "the input has none of the video streams that are asked for", err);
    o->video_nth = nths[0];
    const AVStream *st = kn_run_stream(run, video, AVMEDIA_TYPE_VIDEO, nths[0]);
    struct kn_video_facts facts = {
        .input = input,
        .stream = st,
        .is_cut = is_cut(o, video) || o->spec->features.n_watermarks > 0,
        .has_holes = lacks_pictures(run, video),
        .is_uneven = has_several_rates(run, video),
        .n_threads = run->context->n_threads,
    };
    o->has_video = true;
    const struct kn_convert_video *asked = &o->spec->video;
    if (asked->mode == KN_STREAM_ENCODE && asked->crop == KN_CROP_BORDER)
        rc = kn_border_find(&facts.border, o, video, kn_video_turn(asked, st), err);
    const char *note = NULL;
    if (rc == KN_OK && asked->mode == KN_STREAM_ENCODE && asked->rate == KN_RATE_TARGET_SSIM)
        rc = kn_title_crf(&facts.crf, &note, o, video, &facts, err);
    if (rc == KN_OK)
        rc = kn_video_plan(&o->video, o->spec, &facts, &run->arena, err);
    o->video.note = note ? note : o->video.note;
    return rc == KN_OK && n > 1 ? plan_more_videos(o, video, nths + 1, n - 1, &facts, err) : rc;
}

// In Hls and Dash groups sound lies in outputs of its own; it ends where the group's pictures end, as
// it would in one file with them.
static void end_with_pictures(struct kn_run *run, struct kn_output_run *o)
{
    int64_t end_us = KN_NO_TIME;
    if (o->group < 0 || o->has_video || run->spec->groups[o->group].type == KN_GROUP_FILE)
        return;
    for (int i = 0; i < run->n_outputs; i++) {
        const struct kn_output_run *other = &run->outputs[i];
        if (other->group == o->group && other->has_video && other->duration_us != KN_NO_TIME)
            end_us = FFMAX(end_us, other->duration_us);
    }
    if (end_us == KN_NO_TIME || (o->duration_us != KN_NO_TIME && o->duration_us <= end_us))
        return;
    struct kn_span *last = &o->timeline.spans[o->timeline.n_spans - 1];
    last->to_us = FFMIN(last->to_us, last->from_us + FFMAX(0, end_us - last->out_us));
    o->duration_us = end_us;
}

kn_code kn_run_plan(struct kn_run *run, struct kn_error *err)
{
    for (int i = 0; i < run->n_outputs; i++) {
        struct kn_output_run *o = &run->outputs[i];
        struct kn_error why = {0};
        if (!(o->notes = json_array()))
            return kn_fail(err, KN_ENOMEM, "no memory for outputs");
        if (plan_output(o, &why) != KN_OK)
            kn_output_fail(o, &why);
    }
    for (int i = 0; i < run->n_outputs; i++)
        end_with_pictures(run, &run->outputs[i]);
    return KN_OK;
}

/* ---- feeds ---- */
static kn_code feed_find(struct kn_run *run, const AVStream *st, int input, struct kn_feed **out,
                         struct kn_error *err)
{
    struct kn_feed_part *parts =
        kn_arena_array(&run->arena, (size_t)run->spec->n_inputs, sizeof(*parts));
    if (!parts)
        return kn_fail(err, KN_ENOMEM, "no memory for feeds");
    const int n_parts = kn_run_parts(run, input, st, parts);
    for (int i = 0; i < run->n_feeds; i++)
        if (run->feeds[i]->parts[0].input == parts[0].input && run->feeds[i]->parts[0].stream == parts[0].stream) {
            *out = run->feeds[i];
            return KN_OK;
        }
    if (run->n_feeds == KN_MAX_FEEDS)
        return kn_fail(err, KN_ELIMIT, "more than %d streams in one conversion", KN_MAX_FEEDS);
    struct kn_feed *feed = kn_arena_array(&run->arena, 1, sizeof(*feed));
    if (!feed)
        return kn_fail(err, KN_ENOMEM, "no memory for feeds");
    *feed = (struct kn_feed){.run = run, .kind = st->codecpar->codec_type, .parts = parts, .n_parts = n_parts};
    *out = run->feeds[run->n_feeds++] = feed;
    return KN_OK;
}

// Packets of several inputs make one track only where one description fits all of them.
static kn_code parts_agree(const struct kn_feed *feed, struct kn_error *err)
{
    const AVCodecParameters *first = NULL;
    for (int i = 0; i < feed->n_parts; i++) {
        const struct kn_input *input = feed->run->inputs[feed->parts[i].input].input;
        const AVCodecParameters *par = input->format->streams[feed->parts[i].stream]->codecpar;
        first = first ? first : par;
        if (par->codec_id != first->codec_id || par->width != first->width || par->height != first->height ||
            par->sample_rate != first->sample_rate || par->extradata_size != first->extradata_size ||
            (par->extradata_size && memcmp(par->extradata, first->extradata, (size_t)par->extradata_size) != 0))
            return kn_fail_as(err, KN_EINVAL, "NotSupported",
                              "the %s of '%s' is encoded otherwise than that of the inputs before it, so it cannot "
                              "be copied: name a codec", av_get_media_type_string(feed->kind), input->uri);
    }
    return KN_OK;
}

static kn_code feed_copy(struct kn_feed *feed, struct kn_output_run *o, int track, struct kn_error *err)
{
    if (feed->n_copies == KN_MAX_RENDITIONS)
        return kn_fail(err, KN_ELIMIT, "more than %d copies of one stream", KN_MAX_RENDITIONS);
    const kn_code rc = parts_agree(feed, err);
    if (rc != KN_OK)
        return rc;
    feed->copies[feed->n_copies++] = (struct kn_target){.output = o, .track = track};
    o->copied |= UINT64_C(1) << track;
    return KN_OK;
}

/* ---- tracks ---- */
static kn_code add_video(struct kn_output_run *o, int nth, const struct kn_video_plan *plan, int pass,
                         struct kn_error *err)
{
    struct kn_run *run = o->run;
    const int input = video_input(run, o->spec);
    const AVStream *st = kn_run_stream(run, input, AVMEDIA_TYPE_VIDEO, nth);
    struct kn_feed *feed = NULL;
    int track = 0;
    kn_code rc = feed_find(run, st, input, &feed, err);
    if (rc == KN_OK && pass != 1)
        rc = kn_mux_add(o->mux, kn_input_language(st), AV_DISPOSITION_DEFAULT, &track, err);
    if (rc != KN_OK)
        return rc;
    if (plan->is_copy)
        return feed_copy(feed, o, track, err);
    struct kn_video_rendition *r = KN_ARENA_NEW(&run->arena, struct kn_video_rendition);
    if (!r || feed->n_videos == KN_MAX_RENDITIONS)
        return kn_fail(err, r ? KN_ELIMIT : KN_ENOMEM, "no room for more renditions");
    r->run = run;
    r->target = (struct kn_target){.output = o, .track = track};
    r->plan = plan;
    r->pass = plan->n_passes == 2 ? pass : 0;
    rc = kn_watermarks_load(&r->marks, o, err);
    if (rc != KN_OK)
        return rc;
    feed->videos[feed->n_videos++] = r;
    return pass == 1 ? KN_OK : note_add(o, plan->note, err);
}

static bool same_volume(const struct kn_convert_volume *a, const struct kn_convert_volume *b)
{
    return a->method == b->method && a->gain_db == b->gain_db && a->loudness_lufs == b->loudness_lufs &&
           a->range_lu == b->range_lu && a->true_peak_dbtp == b->true_peak_dbtp;
}

static struct kn_audio_rendition *audio_find(struct kn_feed *feed, const struct kn_audio_plan *plan,
                                             const struct kn_convert_volume *volume,
                                             const struct kn_output_run *o, bool global_header)
{
    for (int i = 0; i < feed->n_audios; i++) {
        struct kn_audio_rendition *r = feed->audios[i];
        const struct kn_audio_plan *p = &r->plan;
        if (!r->mix && kn_equal(p->encoder, plan->encoder) && p->bitrate_bps == plan->bitrate_bps &&
            p->has_quality == plan->has_quality && p->quality == plan->quality &&
            p->bits_per_sample == plan->bits_per_sample &&
            p->samplerate_hz == plan->samplerate_hz && p->channels == plan->channels &&
            p->profile == plan->profile && r->global_header == global_header &&
            same_volume(&r->volume, volume) && kn_timeline_equal(&r->timeline, &o->timeline) &&
            r->n_targets < KN_MAX_TARGETS)
            return r;
    }
    return NULL;
}

// One track, made of the stream `st` of an input.
static kn_code add_sound(struct kn_output_run *o, const struct kn_convert_audio *audio, int input, const AVStream *st,
                         struct kn_error *err)
{
    struct kn_run *run = o->run;
    kn_code rc = KN_OK;
    struct kn_audio_plan plan;
    const struct kn_loudness *loudness = NULL;
    if (kn_audio_wants_loudness(audio))
        rc = kn_loudness_measure(&loudness, run, input, st->index, &o->timeline,
                                 audio->channels ? audio->channels : st->codecpar->ch_layout.nb_channels,
                                 err);
    if (rc == KN_OK)
        rc = kn_audio_plan(&plan, o->spec, audio, st, is_cut(o, input), loudness, &run->arena, err);
    struct kn_feed *feed = NULL;
    if (rc == KN_OK)
        rc = feed_find(run, st, input, &feed, err);
    int track = 0;
    if (rc == KN_OK)
        rc = kn_mux_add(o->mux, plan.language, AV_DISPOSITION_DEFAULT, &track, err);
    if (rc == KN_OK)
        rc = note_add(o, plan.note, err);
    if (rc != KN_OK)
        return rc;
    if (plan.is_copy)
        return feed_copy(feed, o, track, err);
    const bool global_header = kn_mux_wants_global_header(o->mux);
    struct kn_audio_rendition *r = audio_find(feed, &plan, &audio->volume, o, global_header);
    if (!r) {
        r = KN_ARENA_NEW(&run->arena, struct kn_audio_rendition);
        if (!r || feed->n_audios == KN_MAX_RENDITIONS)
            return kn_fail(err, r ? KN_ELIMIT : KN_ENOMEM, "no room for more renditions");
        r->run = run;
        r->plan = plan;
        r->volume = audio->volume;
        r->timeline = o->timeline;
        r->global_header = global_header;
        feed->audios[feed->n_audios++] = r;
    }
    r->targets[r->n_targets++] = (struct kn_target){.output = o, .track = track};
    return KN_OK;
}

// Samples of one stream for a mix, laid onto the output's time.
static kn_code add_lane(struct kn_output_run *o, struct kn_mix *mix, int lane, const char *filter, int input,
                        const AVStream *st, struct kn_error *err)
{
    struct kn_run *run = o->run;
    struct kn_feed *feed = NULL;
    const kn_code rc = feed_find(run, st, input, &feed, err);
    struct kn_audio_rendition *r = KN_ARENA_NEW(&run->arena, struct kn_audio_rendition);
    if (rc != KN_OK)
        return rc;
    if (!r || feed->n_audios == KN_MAX_RENDITIONS)
        return kn_fail(err, r ? KN_ELIMIT : KN_ENOMEM, "no room for more renditions");
    *r = (struct kn_audio_rendition){
        .run = run,
        .plan = {.samplerate_hz = mix->samplerate_hz, .channels = mix->channels,
                 .sample_format = AV_SAMPLE_FMT_FLTP, .filter = filter},
        .timeline = o->timeline,
        .mix = mix,
        .lane = lane,
        .targets = {{.output = o, .track = mix->out->targets[0].track}},
        .n_targets = 1,
    };
    feed->audios[feed->n_audios++] = r;
    return KN_OK;
}

// One track, made of all the streams `nths` together.
static kn_code add_mix(struct kn_output_run *o, const struct kn_convert_audio *audio, int input, const int *nths, int n,
                       struct kn_error *err)
{
    struct kn_run *run = o->run;
    struct kn_mix *mix = KN_ARENA_NEW(&run->arena, struct kn_mix);
    struct kn_audio_rendition *r = KN_ARENA_NEW(&run->arena, struct kn_audio_rendition);
    struct kn_mix_lane *lanes = kn_arena_array(&run->arena, (size_t)n, sizeof(*lanes));
    struct kn_span *whole = KN_ARENA_NEW(&run->arena, struct kn_span);
    if (!mix || !r || !lanes || !whole)
        return kn_fail(err, KN_ENOMEM, "no memory for a mix");
    int channels = 0;
    for (int i = 0; i < n; i++)
        channels = FFMAX(channels, kn_run_stream(run, input, AVMEDIA_TYPE_AUDIO, nths[i])->codecpar->ch_layout.nb_channels);
    const AVStream *first = kn_run_stream(run, input, AVMEDIA_TYPE_AUDIO, nths[0]);
    struct kn_convert_audio widest = *audio;
    widest.channels = audio->channels ? audio->channels : FFMIN(channels, 2);
    *whole = (struct kn_span){0, INT64_MAX, 0};
    *r = (struct kn_audio_rendition){.run = run, .timeline = {whole, 1}, .n_targets = 1};
    kn_code rc = kn_audio_plan(&r->plan, o->spec, &widest, first, true, NULL, &run->arena, err);
    const char *filter = r->plan.filter;
    r->plan.filter = ""; // the lanes have it
    if (rc == KN_OK)
        rc = kn_mux_add(o->mux, r->plan.language, AV_DISPOSITION_DEFAULT, &r->targets[0].track, err);
    if (rc != KN_OK)
        return rc;
    r->targets[0].output = o;
    r->global_header = kn_mux_wants_global_header(o->mux);
    *mix = (struct kn_mix){.out = r, .samplerate_hz = r->plan.samplerate_hz, .channels = r->plan.channels,
                           .lanes = lanes, .n_lanes = n, .next = run->mixes};
    pthread_mutex_init(&mix->lock, NULL);
    run->mixes = mix;
    for (int i = 0; rc == KN_OK && i < n; i++)
        rc = add_lane(o, mix, i, filter, input, kn_run_stream(run, input, AVMEDIA_TYPE_AUDIO, nths[i]), err);
    return rc;
}

static kn_code add_audio(struct kn_output_run *o, const struct kn_convert_audio *audio,
                         struct kn_error *err)
{
    struct kn_run *run = o->run;
    const int input = audio_input(run, o->spec, audio);
    if (input < 0 || !run->inputs[input].input || run->spec->inputs[input].disables_audio) {
        // A film without sound stays one, unless a track was asked for by name.
        if (audio->input_index == KN_INPUT_AUTO && o->has_video)
            return note_add(o, "the input has no sound, so the output has none", err);
        return kn_fail_as(err, KN_EINVAL, "NoAudioStream", "no input has an audio stream");
    }
    const AVStream *st = NULL;
    if (!audio->streams.is_given && !audio->is_mixed) {
        const kn_code rc = kn_audio_select(&st, audio, &run->spec->inputs[input], run->inputs[input].input,
                                           &run->arena, err);
        return rc == KN_OK ? add_sound(o, audio, input, st, err) : rc;
    }
    int *nths = kn_arena_array(&run->arena, run->inputs[input].input->format->nb_streams, sizeof(*nths));
    if (!nths)
        return kn_fail(err, KN_ENOMEM, "no memory for tracks");
    const struct kn_convert_choice all = {.is_given = true, .is_all = true};
    int n = kn_run_choose(run, input, AVMEDIA_TYPE_AUDIO, audio->streams.is_given ? &audio->streams : &all, nths);
    if (audio->is_mixed && n > 1)
        return add_mix(o, audio, input, nths, n, err);
    kn_code rc = n ? KN_OK : note_add(o, "the input has none of the audio streams that are asked for", err);
    if (n > 1 && kn_container_format(o->spec->container)->is_single) {
        n = 1;
        rc = note_add(o, "audio streams after the first were left out: the output holds one", err);
    }
    for (int i = 0; rc == KN_OK && i < n; i++)
        rc = add_sound(o, audio, input, kn_run_stream(run, input, AVMEDIA_TYPE_AUDIO, nths[i]), err);
    return rc;
}

// How many caption streams the first input has.
static int n_captions(const struct kn_run *run)
{
    const struct kn_input *input = run->inputs[0].input;
    int n = 0;
    while (input && kn_input_stream(input, AVMEDIA_TYPE_SUBTITLE, n))
        n++;
    return n;
}

// One caption track; the `nth` of the input.
static kn_code add_caption(struct kn_output_run *o, int input, int nth, enum AVCodecID codec,
                           const char *language, int64_t offset_us, struct kn_error *err)
{
    struct kn_run *run = o->run;
    struct kn_feed *feed = NULL;
    const AVStream *st = kn_input_stream(run->inputs[input].input, AVMEDIA_TYPE_SUBTITLE, nth);
    kn_code rc = feed_find(run, st, input, &feed, err);
    struct kn_caption_rendition *r = KN_ARENA_NEW(&run->arena, struct kn_caption_rendition);
    if (rc == KN_OK && (!r || feed->n_captions == KN_MAX_RENDITIONS))
        rc = kn_fail(err, r ? KN_ELIMIT : KN_ENOMEM, "no room for more captions");
    if (rc != KN_OK)
        return rc;
    *r = (struct kn_caption_rendition){.output = o, .codec = codec, .offset_us = offset_us};
    if (kn_container_format(o->spec->container)->is_segmented) {
        r->file = &o->caption_files[o->n_caption_files++];
        // Those that lie beside the film come first, and count on behind its own.
        r->file->index = input == 0 ? nth : n_captions(run) + o->n_caption_files - 1;
        r->file->is_forced = st->disposition & AV_DISPOSITION_FORCED;
        (void)kn_copy(r->file->language, sizeof(r->file->language), language);
    } else {
        rc = kn_mux_add(o->mux, language, st->disposition, &r->track, err);
    }
    if (rc == KN_OK)
        feed->captions[feed->n_captions++] = r;
    return rc;
}

static bool is_chosen(const struct kn_convert_choice *choice, int nth)
{
    bool is_among = !choice->is_given || choice->is_all;
    for (int i = 0; i < choice->n_numbers; i++)
        is_among = is_among || choice->numbers[i] == nth;
    return is_among;
}

// KeepCaptions: those of the first input.
static kn_code add_captions(struct kn_output_run *o, struct kn_error *err)
{
    const struct kn_input *input = o->run->inputs[0].input;
    const AVStream *st;
    kn_code rc = KN_OK;
    for (int nth = 0; rc == KN_OK && input && (st = kn_input_stream(input, AVMEDIA_TYPE_SUBTITLE, nth));
         nth++) {
        if (!is_chosen(&o->spec->trans.captions, nth))
            continue;
        const enum AVCodecID codec = kn_caption_codec(o->spec->container, st->codecpar->codec_id);
        char language[4];
        kn_resolve_language(language, KN_LANGUAGE_INPUT_FIRST, NULL, kn_input_language(st));
        rc = codec != AV_CODEC_ID_NONE
            ? add_caption(o, 0, nth, codec, language, 0, err)
            : note_add(o, "captions were dropped: the container does not take their kind", err);
    }
    return rc;
}

// Subtitles[]: the first caption stream of the input that is named.
static kn_code add_subtitle(struct kn_output_run *o, const struct kn_convert_subtitle *subtitle,
                            struct kn_error *err)
{
    const int at = subtitle->input_index == KN_INPUT_AUTO ? 0 : subtitle->input_index;
    const struct kn_input *input = o->run->inputs[at].input;
    const AVStream *st = input ? kn_input_stream(input, AVMEDIA_TYPE_SUBTITLE, 0) : NULL;
    if (!st)
        return kn_fail_as(err, KN_EINVAL, "ResourceContentBad", "'%s' has no captions",
                          o->run->spec->inputs[at].uri);
    if (!kn_recode_is_text(st->codecpar->codec_id))
        return kn_fail_as(err, KN_EINVAL, "NotSupported",
                          "the captions of '%s' are pictures (%s), and Subtitles takes text",
                          input->uri, avcodec_get_name(st->codecpar->codec_id));
    char language[4];
    kn_resolve_language(language, subtitle->language_control, subtitle->language, kn_input_language(st));
    return add_caption(o, at, 0, kn_subtitle_codec_id(subtitle->codec), language, subtitle->offset_us, err);
}

/* ---- outputs ---- */
// In the arena, for the mux keeps it.
static const struct kn_segments_setup *output_segments(struct kn_output_run *o)
{
    const struct kn_convert_output *spec = o->spec;
    struct kn_segments_setup *setup = KN_ARENA_NEW(&o->run->arena, struct kn_segments_setup);
    const char *base = kn_output_base(o);
    if (!setup || !base)
        return NULL;
    *setup = (struct kn_segments_setup){
        .open = kn_run_open_sink,
        .impl = o->run,
        .look = kn_output_look,
        .look_impl = o,
        .base_uri = base,
        .is_fmp4 = kn_container_format(spec->container)->is_fmp4,
        .duration_us = spec->segment.duration_us,
        .first_number = spec->segment.first_number,
        .forced_us = spec->segment.forced_us,
        .n_forced = spec->segment.n_forced,
    };
    return setup;
}

static int output_dictionaries(const struct kn_output_run *o, AVDictionary **options,
                               AVDictionary **metadata)
{
    const struct kn_container_format *format = kn_container_format(o->spec->container);
    int av = av_dict_parse_string(options, format->options, "=", ":", 0);
    for (int i = 0; i < o->spec->features.n_metadata; i++)
        av |= av_dict_set(metadata, o->spec->features.metadata[i].key,
                          o->spec->features.metadata[i].value, 0);
    // Keys that MP4 has no name for are kept where players that look will find them.
    if (o->spec->features.n_metadata && kn_equal(format->muxer, "mp4"))
        av |= av_dict_set(options, "movflags", format->is_segmented
                          ? "frag_custom+dash+delay_moov+skip_trailer+use_metadata_tags"
                          : "+faststart+use_metadata_tags", 0);
    return av;
}

static kn_code output_open_mux(struct kn_output_run *o, struct kn_error *err)
{
    const struct kn_container_format *format = kn_container_format(o->spec->container);
    const struct kn_input_run *first = &o->run->inputs[0];
    const struct kn_segments_setup *segments = format->is_segmented ? output_segments(o) : NULL;
    kn_code rc = KN_OK;
    if (format->is_segmented && !segments)
        rc = kn_fail(err, KN_ENOMEM, "no memory for segments");
    else if (!format->is_segmented)
        rc = kn_run_open_sink(o->run, o->spec->uri, &o->sink, err);
    AVDictionary *options = NULL, *metadata = NULL;
    if (rc == KN_OK && output_dictionaries(o, &options, &metadata) < 0)
        rc = kn_fail(err, KN_ENOMEM, "no memory for options");
    if (rc == KN_OK)
        rc = kn_mux_new(&o->mux,
                        &(struct kn_mux_setup){
                            .format = format->muxer,
                            .sink = o->sink,
                            .segments = segments,
                            .splits_tracks = format->splits_tracks,
                            .options = options,
                            .metadata = metadata,
                            .chapters_from = o->spec->trans.keep_chapters && first->input &&
                                    !format->is_segmented ? first->input->format : NULL,
                            .chapters_shift_us = -first->origin_us - o->timeline.spans[0].from_us,
                            .chapters_end_us = o->duration_us,
                            .expected_us = o->duration_us,
                        },
                        err);
    av_dict_free(&options);
    av_dict_free(&metadata);
    return rc;
}

static kn_code output_reserve_captions(struct kn_output_run *o, struct kn_error *err)
{
    const size_t n = (size_t)(o->spec->n_subtitles + n_captions(o->run));
    o->caption_files = kn_arena_array(&o->run->arena, n, sizeof(*o->caption_files));
    return o->caption_files || n == 0 ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for captions");
}

static kn_code output_assemble(struct kn_output_run *o, int pass, struct kn_error *err)
{
    if (pass == 1)
        return o->has_video && o->video.n_passes == 2 && !kn_checkpoint_has_pass(o)
            ? add_video(o, o->video_nth, &o->video, pass, err) : KN_OK;
    const bool is_segmented = kn_container_format(o->spec->container)->is_segmented;
    const bool has_sound = kn_container_format(o->spec->container)->has_audio;
    kn_code rc = output_reserve_captions(o, err);
    if (rc == KN_OK && (!is_segmented || o->has_video || (has_sound && o->spec->n_audios)))
        rc = output_open_mux(o, err);
    if (rc == KN_OK && o->has_video)
        rc = add_video(o, o->video_nth, &o->video, pass, err);
    for (int i = 0; rc == KN_OK && i < o->n_more_videos; i++)
        rc = add_video(o, o->more_videos[i].nth, &o->more_videos[i].plan, pass, err);
    for (int i = 0; rc == KN_OK && has_sound && i < o->spec->n_audios; i++)
        rc = add_audio(o, &o->spec->audios[i], err);
    for (int i = 0; rc == KN_OK && i < o->spec->n_subtitles; i++)
        rc = add_subtitle(o, &o->spec->subtitles[i], err);
    if (rc == KN_OK && o->spec->trans.keep_captions)
        rc = add_captions(o, err);
    if (rc == KN_OK && !is_segmented)
        rc = kn_extras_add(o, err);
    if (rc == KN_OK && (!o->mux || kn_mux_n_tracks(o->mux) == 0) && o->n_caption_files == 0)
        rc = kn_fail_as(err, KN_EINVAL, "NoAudioStream", "nothing is left to put into the output");
    return rc;
}

/* ---- a pass ---- */
// What the outputs together show of an input, in the joined time; all of it where they show none.
static void input_shown(const struct kn_run *run, const struct kn_input_run *in, int64_t *out_from_us,
                        int64_t *out_end_us)
{
    const int64_t part_end_us = in->duration_us == KN_NO_TIME ? INT64_MAX : in->offset_us + in->duration_us;
    int64_t from_us = INT64_MAX, end_us = in->offset_us;
    for (int i = 0; i < run->n_outputs; i++) {
        int64_t first_us, last_us;
        if (run->outputs[i].timeline.n_spans == 0 ||
            !kn_timeline_shown(&run->outputs[i].timeline, in->offset_us, part_end_us, &first_us, &last_us))
            continue;
        from_us = FFMIN(from_us, first_us);
        end_us = FFMAX(end_us, last_us);
    }
    *out_from_us = from_us == INT64_MAX ? in->offset_us : from_us;
    *out_end_us = from_us == INT64_MAX || end_us == part_end_us ? INT64_MAX : end_us;
}

static kn_code run_demuxes(struct kn_run *run, struct kn_error *err)
{
    for (int f = 0; f < run->n_feeds; f++)
        for (int p = 0; p < run->feeds[f]->n_parts; p++) {
            const struct kn_feed_part *part = &run->feeds[f]->parts[p];
            struct kn_input_run *in = &run->inputs[part->input];
            if (!in->demux) {
                const kn_code rc = kn_demux_new(&in->demux, in->input, in->origin_us, in->offset_us, err);
                if (rc != KN_OK)
                    return rc;
                int64_t from_us;
                input_shown(run, in, &from_us, &in->end_us);
                if (from_us > in->offset_us)
                    kn_demux_seek(in->demux, from_us);
                else if (run->pass == 2) // the first pass left the file at its end
                    kn_demux_seek(in->demux, in->offset_us);
            }
            kn_demux_use(in->demux, part->stream);
        }
    return KN_OK;
}

kn_code kn_run_assemble(struct kn_run *run, int pass, struct kn_error *err)
{
    run->pass = pass;
    run->n_feeds = 0;
    for (int i = 0; i < run->n_outputs; i++) {
        struct kn_output_run *o = &run->outputs[i];
        struct kn_error why = {0};
        if (!kn_output_has_failed(o) && output_assemble(o, pass, &why) != KN_OK)
            kn_output_fail(o, &why);
    }
    kn_code rc = run_demuxes(run, err);
    for (int f = 0; rc == KN_OK && f < run->n_feeds; f++)
        for (int i = 0; rc == KN_OK && i < run->feeds[f]->n_videos; i++)
            rc = kn_video_rendition_start(run->feeds[f]->videos[i], err);
    for (int i = 0; rc == KN_OK && i < run->spec->n_inputs; i++)
        if (run->inputs[i].demux)
            rc = kn_demux_start(run->inputs[i].demux, err);
    for (int f = 0; rc == KN_OK && f < run->n_feeds; f++)
        rc = kn_feed_start(run->feeds[f], err);
    return rc;
}

void kn_run_disassemble(struct kn_run *run)
{
    for (int f = 0; f < run->n_feeds; f++) {
        struct kn_feed *feed = run->feeds[f];
        if (feed->has_thread)
            pthread_join(feed->thread, NULL);
        for (int i = 0; i < feed->n_videos; i++)
            kn_video_rendition_clear(feed->videos[i]);
        for (int i = 0; i < feed->n_audios; i++)
            kn_audio_rendition_clear(feed->audios[i]);
        for (int i = 0; i < feed->n_captions; i++)
            kn_caption_rendition_clear(feed->captions[i]);
        *feed = (struct kn_feed){0};
    }
    run->n_feeds = 0;
    for (; run->mixes; run->mixes = run->mixes->next)
        kn_mix_clear(run->mixes);
    for (int i = 0; i < run->spec->n_inputs; i++)
        kn_demux_free(&run->inputs[i].demux);
}

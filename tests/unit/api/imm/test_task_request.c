/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "api/imm/task_request.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/time.h"
#include "features/convert/convert_spec.h"
#include "features/extract/extract_spec.h"
#include "support/quoted_json.h"

static int n_looked;

static kn_code covers(void *context, const char *uri, struct kn_error *err)
{
    (void)context;
    return strncmp(uri, "oss://secret/", 13) == 0
               ? kn_fail_as(err, KN_EINVAL, "ResourceAccess", "this access key may not touch '%s'", uri)
               : KN_OK;
}

static kn_code uploaded(void *context, const struct kn_uri *source, int64_t *out_us, struct kn_error *err)
{
    (void)context;
    (void)source;
    n_looked++;
    return kn_time_parse_iso("2025-01-02T03:04:05Z", out_us) ? KN_OK : kn_fail(err, KN_EBUG, "no time");
}

static int64_t alignment_index; // of the next request

static kn_code read_with(json_t **out, const char *sources, const char *targets, const char *tags, struct kn_error *err)
{
    json_auto_t *sources_json = quoted(sources), *targets_json = quoted(targets), *tags_json = quoted(tags);
    const struct kn_imm_request request = {.sources = sources_json,
                                           .targets = targets_json,
                                           .tags = tags_json,
                                           .alignment_index = alignment_index,
                                           .created_us = kn_now_us(),
                                           .covers = covers,
                                           .uploaded = uploaded};
    n_looked = 0;
    return kn_imm_request_read(out, &request, err);
}

#define FILM "[{'URI':'oss://media/in/film.mkv'}]"

// The steps of a request that must be accepted; a new reference.
static json_t *steps_of(const char *sources, const char *targets, const char *tags)
{
    struct kn_error err = {0};
    json_auto_t *spec = NULL;
    if (read_with(&spec, sources, targets, tags, &err) != KN_OK)
        fail_msg("%s", err.message);
    return json_incref(json_object_get(spec, "Steps"));
}

static void expect_refused(const char *sources, const char *targets, const char *reason, const char *words)
{
    struct kn_error err = {0};
    json_auto_t *spec = NULL;
    assert_int_equal(read_with(&spec, sources, targets, "{}", &err), KN_EINVAL);
    assert_null(spec);
    assert_string_equal(err.reason, reason);
    if (!strstr(err.message, words))
        fail_msg("'%s' does not say '%s'", err.message, words);
}

#define EXTRACT(format, uri) "'Subtitle':{'ExtractSubtitle':{'Format':'" format "','URI':'" uri "'}}"

/* ---- captions ---- */

static void the_guides_example_is_one_step(void **state)
{
    (void)state;
    json_auto_t *steps = steps_of(FILM, "[{" EXTRACT("webvtt", "oss://media/out/s-{streamindex}.{autoext}") "}]", "{}");
    assert_int_equal(json_array_size(steps), 1);
    const json_t *step = json_array_get(steps, 0);
    assert_string_equal(kn_json_get(step, "Kind", ""), "extract");
    assert_int_equal(json_integer_value(json_array_get(json_object_get(step, "Targets"), 0)), 0);
    kn_auto(kn_extract_spec_clear) struct kn_extract_spec spec = {0};
    assert_int_equal(kn_extract_spec_load(&spec, json_object_get(step, "Spec"), NULL), KN_OK);
    assert_string_equal(spec.sources[0].uri, "oss://media/in/film.mkv");
    assert_string_equal(spec.sources[0].target, "oss://media/out/s-{streamindex}.{autoext}");
    assert_string_equal(spec.format, "webvtt");
    assert_int_equal(spec.n_streams, 0);
    assert_true(spec.ignores_missing);
    assert_int_equal(n_looked, 0);
}

static void stream_names_some_and_a_large_number_all(void **state)
{
    (void)state;
    static const struct {
        const char *stream;
        size_t n;
    } cases[] = {{"null", 0}, {"[]", 0}, {"[0,2]", 2}, {"[101]", 0}, {"[1,1000]", 0}, {"[100]", 1}};
    for (size_t i = 0; i < KN_COUNT(cases); i++) {
        kn_auto(kn_buf_clear) struct kn_buf targets = {0};
        kn_buf_printf(&targets, "[{'Subtitle':{'Stream':%s,'ExtractSubtitle':{'Format':'srt','URI':'oss://media/a'}}}]",
                      cases[i].stream);
        json_auto_t *steps = steps_of(FILM, kn_buf_text(&targets), "{}");
        kn_auto(kn_extract_spec_clear) struct kn_extract_spec spec = {0};
        assert_int_equal(kn_extract_spec_load(&spec, json_object_get(json_array_get(steps, 0), "Spec"), NULL), KN_OK);
        assert_int_equal(spec.n_streams, cases[i].n);
    }
    expect_refused(FILM, "[{'Subtitle':{'Stream':[-1],'ExtractSubtitle':{'Format':'srt','URI':'oss://media/a'}}}]",
                   "InvalidParameter", "Targets[0].Subtitle.Stream");
}

static void tags_carry_our_own_words(void **state)
{
    (void)state;
    json_auto_t *steps = steps_of(FILM, "[{" EXTRACT("srt", "oss://media/{tags.dir}/{year}-{streamindex}") "}]",
                                  "{'dir':'d','forcedOnly':'true','ocr.lang':'deu','captions.shift':'-1.5',"
                                  "'captions.scale':'1.001','captions.removeHearingImpaired':'true','shift':'night',"
                                  "'captions.longest':'5.5','captions.joinSimultaneous':'true'}");
    kn_auto(kn_extract_spec_clear) struct kn_extract_spec spec = {0};
    assert_int_equal(kn_extract_spec_load(&spec, json_object_get(json_array_get(steps, 0), "Spec"), NULL), KN_OK);
    assert_true(spec.forced_only);
    assert_string_equal(spec.ocr_language, "deu");
    assert_int_equal(spec.shift_us, -1500000);
    assert_float_equal(spec.scale, 1.001, 1e-9);
    assert_true(spec.removes_hearing_impaired);
    assert_int_equal(spec.longest_us, 5500000);
    assert_true(spec.joins_simultaneous);
    assert_false(spec.fixes_ocr);
    assert_string_equal(spec.sources[0].target, "oss://media/d/2025-{streamindex}");
    assert_int_equal(n_looked, 1);
}

static void a_tag_that_cannot_be_meant_is_named(void **state)
{
    (void)state;
    static const char *const tags[][2] = {
        {"{'captions.shift':'later'}", "Tags: 'captions.shift' is 'later', not seconds"},
        {"{'captions.longest':'0'}", "Tags: 'captions.longest' is '0', not seconds from 0.1 to 3600"},
        {"{'captions.scale':'25'}", "Tags: 'captions.scale' is '25', not a factor from 0.1 to 10"},
        {"{'captions.fixOcr':'please'}", "Tags: 'captions.fixOcr' is 'please', not true or false"},
    };
    for (size_t i = 0; i < KN_COUNT(tags); i++) {
        json_auto_t *spec = NULL;
        struct kn_error err = {0};
        assert_int_equal(read_with(&spec, FILM, "[{" EXTRACT("srt", "oss://media/a") "}]", tags[i][0], &err), KN_EINVAL);
        assert_string_equal(err.message, tags[i][1]);
    }
}

static void targets_may_not_overwrite_each_other(void **state)
{
    (void)state;
    json_decref(steps_of(FILM, "[{" EXTRACT("srt", "oss://media/a-{streamindex}.{autoext}") "},{"
                               EXTRACT("ass", "oss://media/a-{streamindex}.{autoext}") "}]", "{}"));
    expect_refused(FILM, "[{" EXTRACT("srt", "oss://media/a-{streamindex}.{autoext}") "},{"
                         EXTRACT("srt", "oss://media/a-{streamindex}.{autoext}") "}]",
                   "InvalidParameter", "another target");
    expect_refused(FILM, "[{" EXTRACT("srt", "oss://media/in/film.mkv") "}]", "InvalidParameter", "the source itself");
}

/* ---- films ---- */

// What the conversion of these targets loads as; `spec` is cleared by the caller.
static void convert_load(struct kn_convert_spec *spec, const char *sources, const char *targets)
{
    json_auto_t *steps = steps_of(sources, targets, "{}");
    const json_t *step = json_array_get(steps, json_array_size(steps) - 1);
    struct kn_error err = {0};
    assert_string_equal(kn_json_get(step, "Kind", ""), "convert");
    if (kn_convert_spec_load(spec, json_object_get(step, "Spec"), &err) != KN_OK)
        fail_msg("%s", err.message);
}

static void without_video_and_audio_everything_is_copied(void **state)
{
    (void)state;
    kn_auto(kn_convert_spec_clear) struct kn_convert_spec spec = {0};
    convert_load(&spec, FILM, "[{'URI':'oss://media/out/{barename}','Container':'mp4'}]");
    assert_int_equal(spec.n_outputs, 1);
    const struct kn_convert_output *output = &spec.outputs[0];
    assert_string_equal(output->uri, "oss://media/out/film.mp4");
    assert_int_equal(output->video.mode, KN_STREAM_COPY);
    assert_int_equal(output->audios[0].mode, KN_STREAM_COPY);
    assert_true(output->trans.keep_captions);
}

static void transcoding_speaks_in_our_units(void **state)
{
    (void)state;
    kn_auto(kn_convert_spec_clear) struct kn_convert_spec spec = {0};
    convert_load(&spec, "[{'URI':'oss://media/in/film.mkv','StartTime':1.5,'Duration':10}]",
                 "[{'URI':'oss://media/out/a.mov','Container':'mov','Subtitle':{'DisableSubtitle':true},"
                 "'Video':{'TranscodeVideo':{'Codec':'h265','Bitrate':1500000,'MaxBitrate':3000000,"
                 "'BufferSize':6000000,'Resolution':'1280x','FrameRate':25,'Rotation':90}},"
                 "'Audio':{'Stream':[0],'TranscodeAudio':{'Codec':'aac','Bitrate':96000,'SampleRate':44100,'Channel':1}}}]");
    const struct kn_convert_output *output = &spec.outputs[0];
    assert_int_equal(output->container, KN_CONTAINER_MOV);
    assert_int_equal(output->video.codec, KN_VIDEO_H265);
    assert_int_equal(output->video.bitrate_bps, 1500000);
    assert_int_equal(output->video.maxrate_bps, 3000000);
    assert_int_equal(output->video.width_px, 1280);
    assert_int_equal(output->video.height_px, 0);
    assert_int_equal(output->video.fps_num, 25);
    assert_int_equal(output->video.rotate, KN_ROTATE_90);
    assert_int_equal(output->video.gop_frames, 150);
    assert_int_equal(output->audios[0].bitrate_bps, 96000);
    assert_int_equal(output->audios[0].channels, 1);
    assert_false(output->trans.keep_captions);
    assert_int_equal(spec.inputs[0].clip.seek_us, 1500000);
    assert_int_equal(spec.inputs[0].clip.duration_us, 10 * KN_SECOND);
}

static void one_stream_may_be_copied_and_the_other_encoded(void **state)
{
    (void)state;
    kn_auto(kn_convert_spec_clear) struct kn_convert_spec spec = {0};
    convert_load(&spec, FILM, "[{'URI':'oss://media/a','Container':'mkv','Audio':{'TranscodeAudio':{'Codec':'opus'}}}]");
    assert_int_equal(spec.outputs[0].video.mode, KN_STREAM_COPY);
    assert_int_equal(spec.outputs[0].audios[0].mode, KN_STREAM_ENCODE);
    assert_int_equal(spec.outputs[0].audios[0].codec, KN_AUDIO_OPUS);
}

static void segments_make_a_playlist(void **state)
{
    (void)state;
    kn_auto(kn_convert_spec_clear) struct kn_convert_spec spec = {0};
    convert_load(&spec, FILM, "[{'URI':'oss://media/hls/film','Container':'ts','Segment':{'Format':'hls','Duration':5},"
                              "'Video':{'TranscodeVideo':{'Codec':'h264'}},'Audio':{'TranscodeAudio':{'Codec':'aac'}}}]");
    assert_int_equal(spec.outputs[0].container, KN_CONTAINER_M3U8);
    assert_string_equal(spec.outputs[0].uri, "oss://media/hls/film.m3u8");
    assert_int_equal(spec.outputs[0].segment.duration_us, 5 * KN_SECOND);
    assert_true(spec.outputs[0].video.crf > 22.9 && spec.outputs[0].video.crf < 23.1);
}

static void all_films_of_a_request_are_one_conversion(void **state)
{
    (void)state;
    kn_auto(kn_convert_spec_clear) struct kn_convert_spec spec = {0};
    convert_load(&spec, "[{'URI':'oss://media/a.mp4'},{'URI':'oss://media/b.mp4'}]",
                 "[{'URI':'oss://media/c','Container':'mp4'},{'URI':'oss://media/d','Container':'mp3',"
                 "'Audio':{'TranscodeAudio':{'Codec':'mp3'}}}]");
    assert_int_equal(spec.n_inputs, 2);
    assert_true(spec.inputs[1].joins_first);
    assert_int_equal(spec.n_outputs, 2);
    assert_string_equal(spec.outputs[1].uri, "oss://media/d.mp3");
    assert_int_equal(spec.outputs[1].video.mode, KN_STREAM_DROP);
}

static void captions_and_a_film_are_two_steps(void **state)
{
    (void)state;
    json_auto_t *steps =
        steps_of(FILM, "[{'URI':'oss://media/c','Container':'mp4'," EXTRACT("srt", "oss://media/s") "}]", "{}");
    assert_int_equal(json_array_size(steps), 2);
}

static void sources_may_be_parts_and_lack_streams(void **state)
{
    (void)state;
    kn_auto(kn_convert_spec_clear) struct kn_convert_spec spec = {0};
    alignment_index = 1;
    convert_load(&spec,
                 "[{'URI':'oss://media/a.mp4','Duration':3,'DisableAudio':true},{'URI':'oss://media/b.mp4'},"
                 "{'URI':'oss://media/c.mp4','StartTime':'2.5','DisableVideo':'true','DisableAudio':'false'}]",
                 "[{'URI':'oss://media/c','Container':'mp4'}]");
    alignment_index = 0;
    assert_int_equal(spec.alignment_index, 1);
    assert_int_equal(spec.inputs[0].clip.duration_us, 3 * KN_SECOND);
    assert_true(spec.inputs[0].disables_audio);
    assert_false(spec.inputs[0].disables_video);
    assert_false(spec.inputs[1].clip.is_set);
    assert_int_equal(spec.inputs[2].clip.seek_us, 2500000);
    assert_int_equal(spec.inputs[2].clip.duration_us, KN_NO_TIME);
    assert_true(spec.inputs[2].disables_video);
    assert_false(spec.inputs[2].disables_audio);
}

static void streams_are_chosen_by_number(void **state)
{
    (void)state;
    kn_auto(kn_convert_spec_clear) struct kn_convert_spec spec = {0};
    convert_load(&spec, FILM, "[{'URI':'oss://media/c','Container':'mkv','Video':{'Stream':[1]},"
                              "'Audio':{'Stream':[2,0,2]},'Subtitle':{'Stream':[101]}}]");
    const struct kn_convert_output *output = &spec.outputs[0];
    assert_int_equal(output->video.streams.n_numbers, 1);
    assert_int_equal(output->video.streams.numbers[0], 1);
    assert_int_equal(output->audios[0].streams.n_numbers, 2);
    assert_int_equal(output->audios[0].streams.numbers[0], 2);
    assert_int_equal(output->audios[0].streams.numbers[1], 0);
    assert_true(output->trans.captions.is_all);
    expect_refused(FILM, "[{'URI':'oss://media/c','Container':'mp4','Audio':{'Stream':[-1]}}]", "InvalidParameter",
                   "'Targets[0].Audio.Stream'");
}

static void encoders_are_told_the_details(void **state)
{
    (void)state;
    kn_auto(kn_convert_spec_clear) struct kn_convert_spec spec = {0};
    convert_load(&spec, FILM,
                 "[{'URI':'oss://media/a','Container':'ts','Segment':{'Format':'hls','StartNumber':7},"
                 "'Video':{'TranscodeVideo':{'Codec':'h264','BFrames':0,'Refs':4,'FrameRate':25,'FrameRateOption':'fall'}},"
                 "'Audio':{'TranscodeAudio':{'Codec':'aac','Quality':50,'SampleRateOption':'adaptive'},"
                 "'FilterAudio':{'Mixing':true}}},"
                 "{'URI':'oss://media/b','Container':'flac','Audio':{'TranscodeAudio':{'Codec':'flac','BitsPerSample':24}}},"
                 "{'URI':'oss://media/c','Container':'mp4','Segment':{'Format':'hls'},"
                 "'Video':{'TranscodeVideo':{'Codec':'h264','FrameRate':25,'FrameRateOption':'adaptive'}}}]");
    const struct kn_convert_output *o = spec.outputs;
    assert_int_equal(o[0].segment.first_number, 7);
    assert_int_equal(o[0].video.b_frames, 0);
    assert_int_equal(o[0].video.n_refs, 4);
    assert_int_equal(o[0].trans.fps, KN_CHECK_FAIL);
    assert_float_equal(o[0].audios[0].quality, 50, 1e-9);
    assert_int_equal(o[0].trans.samplerate, KN_CHECK_USE_INPUT);
    assert_true(o[0].audios[0].is_mixed);
    assert_int_equal(o[1].audios[0].bits_per_sample, 24);
    assert_int_equal(o[2].segment.first_number, 0); // IMM's default
    assert_int_equal(o[2].video.b_frames, -1);
    assert_int_equal(o[2].trans.fps, KN_CHECK_USE_INPUT);
    expect_refused(FILM, "[{'URI':'oss://media/a','Container':'mp4','Audio':{'FilterAudio':{'Mixing':true}}}]",
                   "InvalidParameter", "'Targets[0].Audio.FilterAudio.Mixing'");
    expect_refused(FILM, "[{'URI':'oss://media/a','Container':'mp3','Audio':{'TranscodeAudio':{'Codec':'mp3',"
                         "'Quality':50,'Bitrate':64000}}}]", "InvalidParameter", "Quality' does not go together");
}

/* ---- refusals ---- */

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *sources, *targets, *reason, *words;
    } cases[] = {
        {"[]", "[]", "InvalidParameter", "Sources"},
        {"[{}]", "[]", "InvalidParameter", "Sources[0] has no URI"},
        {"[{'URI':'http://elsewhere.example.com/a.mkv'}]", "[]", "InvalidParameter", "Sources[0].URI"},
        {"[{'URI':'oss://secret/a.mkv'}]", "[]", "ResourceAccess", "oss://secret/a.mkv"},
        {FILM, "[]", "MissingParameter", "'Targets'"},
        {"[{'URI':'oss://media/a.mkv','DisableAudio':true,'DisableVideo':true}]", "[]", "InvalidParameter",
         "Sources[0] has DisableAudio and DisableVideo"},
        {FILM, "[{}]", "InvalidParameter", "asks for nothing"},
        {FILM, "[{'URI':'oss://media/a.mp4'}]", "InvalidParameter", "no Container"},
        {FILM, "[{'Container':'mp4'}]", "InvalidParameter", "no URI"},
        {FILM, "[{" EXTRACT("txt", "oss://media/a") "}]", "InvalidParameter", "Format 'txt'"},
        {FILM, "[{" EXTRACT("srt", "oss://secret/a") "}]", "ResourceAccess", "oss://secret/a"},
        {FILM, "[{" EXTRACT("srt", "") "}]", "InvalidParameter", "has no URI"},
        {"[{'URI':'oss://media/a.mkv'},{'URI':'oss://media/b.mkv'}]", "[{" EXTRACT("srt", "oss://media/s") "}]",
         "NotSupported", "one whole source"},
    };
    for (size_t i = 0; i < KN_COUNT(cases); i++)
        expect_refused(cases[i].sources, cases[i].targets, cases[i].reason, cases[i].words);
}

static void what_is_not_built_is_refused_by_its_path(void **state)
{
    (void)state;
    static const struct {
        const char *member, *words;
    } cases[] = {
        {"'Container':'avi'", "'Targets[0].Container'"},
        {"'Container':'mp4','Speed':0.5", "'Targets[0].Speed'"},
        {"'Container':'mp4','Image':{'Snapshots':[{}]}", "Image"},
        {"'Container':'mp4','Data':{'Stream':[0]}", "'Targets[0].Data.Stream'"},
        {"'Container':'mp4','Video':{'TranscodeVideo':{'Codec':'vp9'}}", "vp9"},
        {"'Container':'mp4','Video':{'FilterVideo':{'Watermarks':[{}]}}", "FilterVideo"},
        {"'Container':'mp4','Audio':{'TranscodeAudio':{'Codec':'amr'}}", "amr"},
        {"'Container':'mp4','Video':{'TranscodeVideo':{'Codec':'h264','VideoSlim':1}}", "VideoSlim"},
        {"'Container':'mp4','Audio':{'TranscodeAudio':{'Codec':'aac','BitsPerSample':24}}", "BitsPerSample"},
        {"'Container':'mp4','Segment':{'Format':'dash','StartNumber':3}", "Segment.StartNumber"},
        {"'Container':'flv','Segment':{'Format':'hls'}", "Segment.Format"},
    };
    for (size_t i = 0; i < KN_COUNT(cases); i++) {
        kn_auto(kn_buf_clear) struct kn_buf targets = {0};
        kn_buf_printf(&targets, "[{'URI':'oss://media/out',%s}]", cases[i].member);
        expect_refused(FILM, kn_buf_text(&targets), "NotSupported", cases[i].words);
    }
    expect_refused("[{'URI':'oss://media/a.mkv','Duration':3,'Subtitles':[{'URI':'oss://media/a.srt'}]}]", "[]",
                   "NotSupported", "Sources[0].Subtitles");
    expect_refused("[{'URI':'oss://media/a.mkv','Subtitles':[{'URI':'oss://secret/a.srt'}]}]", "[]",
                   "ResourceAccess", "oss://secret/a.srt");
}

static void captions_beside_a_source_become_tracks_where_there_is_room(void **state)
{
    (void)state;
    json_auto_t *spec = NULL;
    struct kn_error err = {0};
    if (read_with(&spec,
                  "[{'URI':'oss://media/a.mkv','Subtitles':[{'URI':'oss://media/a.srt','Language':'eng'},"
                  "{'URI':'oss://media/b.ass','TimeOffset':-1.5}]}]",
                  "[{'URI':'oss://media/o1','Container':'mkv'},{'URI':'oss://media/o2','Container':'ts'},"
                  "{'URI':'oss://media/o3','Container':'mp4','Subtitle':{'DisableSubtitle':true}}]",
                  "{}", &err) != KN_OK)
        fail_msg("%s", err.message);
    const json_t *conversion = json_object_get(json_array_get(json_object_get(spec, "Steps"), 0), "Spec");
    assert_int_equal(json_array_size(json_object_get(conversion, "Inputs")), 3);
    const json_t *outputs = json_object_get(conversion, "Outputs");
    static const size_t n_tracks[] = {2, 0, 0};
    for (size_t i = 0; i < KN_COUNT(n_tracks); i++) {
        const json_t *template = json_object_get(json_array_get(outputs, i), "Template");
        assert_int_equal(json_array_size(json_object_get(template, "Subtitles")), n_tracks[i]);
    }
    static struct kn_convert_spec read;
    assert_int_equal(kn_convert_spec_load(&read, conversion, &err), KN_OK);
    assert_int_equal(read.outputs[0].subtitles[0].offset_us, 0);
    assert_int_equal(read.outputs[0].subtitles[1].offset_us, -1500000);
    kn_convert_spec_clear(&read);
}

static kn_code groups_read(json_t **out, const char *groups, struct kn_error *err)
{
    json_auto_t *sources = quoted(FILM), *groups_json = quoted(groups), *tags = json_object();
    const struct kn_imm_request request = {.sources = sources,
                                           .target_groups = groups_json,
                                           .tags = tags,
                                           .created_us = kn_now_us(),
                                           .covers = covers,
                                           .uploaded = uploaded};
    return kn_imm_request_read(out, &request, err);
}

static void a_group_is_a_master_playlist_over_its_targets(void **state)
{
    (void)state;
    json_auto_t *spec = NULL;
    struct kn_error err = {0};
    if (groups_read(&spec,
                    "[{'URI':'oss://media/out/{barename}.m3u8','Targets':["
                    "{'URI':'oss://media/out/low/v','Container':'ts','Segment':{'Format':'hls','Duration':4},"
                    "'Video':{'TranscodeVideo':{'Codec':'h264','Resolution':'640x'}}},"
                    "{'URI':'oss://media/out/high.m3u8','Container':'mp4',"
                    "'Subtitle':{'ExtractSubtitle':{'Format':'vtt','URI':'oss://media/out/subs/s'}}}]}]",
                    &err) != KN_OK)
        fail_msg("%s", err.message);
    const json_t *conversion = json_object_get(json_array_get(json_object_get(spec, "Steps"), 0), "Spec");
    const json_t *group = json_array_get(json_object_get(conversion, "OutputGroups"), 0);
    assert_string_equal(kn_json_get(group, "Type", ""), "Hls");
    assert_string_equal(kn_json_get(group, "Base", ""), "oss://media/out/");
    assert_string_equal(kn_json_get(group, "ManifestName", ""), "film.m3u8");
    const json_t *outputs = json_object_get(group, "Outputs");
    assert_string_equal(kn_json_get(json_array_get(outputs, 0), "Uri", ""), "oss://media/out/low/v.m3u8");
    assert_string_equal(kn_json_get(json_array_get(outputs, 1), "Uri", ""), "oss://media/out/high.m3u8");
    static struct kn_convert_spec read;
    assert_int_equal(kn_convert_spec_load(&read, conversion, &err), KN_OK);
    assert_false(read.groups[0].outputs[0].trans.keep_captions);
    assert_null(read.groups[0].outputs[0].caption_names.many);
    assert_true(read.groups[0].outputs[1].trans.keep_captions);
    assert_string_equal(read.groups[0].outputs[1].caption_names.many, "oss://media/out/subs/s_{streamindex}.{autoext}");
    kn_convert_spec_clear(&read);
}

static void groups_that_do_not_fit_are_refused_by_place(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"[{'URI':'oss://media/out/m.mpd','Targets':[{}]}]", "TargetGroups[0].URI"},
        {"[{'URI':'oss://media/out/m.m3u8','Targets':[]}]", "TargetGroups[0]"},
        {"[{'URI':'oss://media/out/m.m3u8','Targets':[{'URI':'oss://media/else/v','Container':'ts'}]}]",
         "TargetGroups[0].Targets[0].URI"},
        {"[{'URI':'oss://media/out/m.m3u8','Targets':[{'URI':'oss://media/out/v','Container':'mp4',"
         "'Segment':{'Format':'dash'}}]}]",
         "TargetGroups[0].Targets[0]"},
        {"[{'URI':'oss://media/out/m.m3u8','Targets':[{'URI':'oss://media/out/v','Container':'ts',"
         "'Subtitle':{'ExtractSubtitle':{'Format':'vtt','URI':'oss://media/else/c'}}}]}]",
         "TargetGroups[0].Targets[0].Subtitle.ExtractSubtitle has a URI that is not in the folder"},
        {"[{'URI':'oss://media/out/m.m3u8','Targets':[{'URI':'oss://media/out/v','Container':'ts',"
         "'Subtitle':{'ExtractSubtitle':{'Format':'srt','URI':'oss://media/out/c'}}}]}]",
         "Format is 'srt', not vtt"},
        {"[{'URI':'oss://media/out/m.m3u8','Targets':[{'URI':'oss://media/out/v','Container':'ts',"
         "'Subtitle':{'ExtractSubtitle':{'Format':'vtt','URI':'oss://media/out/c'}}},"
         "{'URI':'oss://media/out/w','Container':'ts',"
         "'Subtitle':{'ExtractSubtitle':{'Format':'vtt','URI':'oss://media/out/d'}}}]}]",
         "TargetGroups[0].Targets[1].Subtitle.ExtractSubtitle is the second of its group"},
        {"[{'URI':'oss://media/out/m.m3u8','Targets':[{'URI':'oss://media/out/m.m3u8','Container':'ts'}]}]",
         "the name of another target"},
    };
    for (size_t i = 0; i < KN_COUNT(cases); i++) {
        json_auto_t *spec = NULL;
        struct kn_error err = {0};
        assert_int_equal(groups_read(&spec, cases[i][0], &err), KN_EINVAL);
        if (!strstr(err.message, cases[i][1]))
            fail_msg("'%s' is not in '%s'", cases[i][1], err.message);
    }
}

static void a_range_is_told_at_the_targets_place(void **state)
{
    (void)state;
    expect_refused(FILM, "[{'URI':'oss://media/a','Container':'mp4','Video':{'TranscodeVideo':{'Codec':'h264',"
                         "'Resolution':'1281x'}}}]",
                   "OutOfRange", "Targets[0]: 'Video.Width' is 1281");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_guides_example_is_one_step),
        cmocka_unit_test(stream_names_some_and_a_large_number_all),
        cmocka_unit_test(tags_carry_our_own_words),
        cmocka_unit_test(a_tag_that_cannot_be_meant_is_named),
        cmocka_unit_test(targets_may_not_overwrite_each_other),
        cmocka_unit_test(without_video_and_audio_everything_is_copied),
        cmocka_unit_test(transcoding_speaks_in_our_units),
        cmocka_unit_test(one_stream_may_be_copied_and_the_other_encoded),
        cmocka_unit_test(segments_make_a_playlist),
        cmocka_unit_test(all_films_of_a_request_are_one_conversion),
        cmocka_unit_test(captions_and_a_film_are_two_steps),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(sources_may_be_parts_and_lack_streams),
        cmocka_unit_test(streams_are_chosen_by_number),
        cmocka_unit_test(encoders_are_told_the_details),
        cmocka_unit_test(what_is_not_built_is_refused_by_its_path),
        cmocka_unit_test(a_range_is_told_at_the_targets_place),
        cmocka_unit_test(captions_beside_a_source_become_tracks_where_there_is_room),
        cmocka_unit_test(a_group_is_a_master_playlist_over_its_targets),
        cmocka_unit_test(groups_that_do_not_fit_are_refused_by_place),
    };
    return cmocka_run_group_tests_name("api/imm/task_request", tests, NULL, NULL);
}

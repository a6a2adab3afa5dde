/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/time.h"
#include "features/convert/canonical.h"
#include "features/convert/convert_spec.h"
#include "support/quoted_json.h"

static const char *const oss_hosts[] = {"oss.example.com", NULL};
static const struct kn_convert_site site = {.oss_hosts = oss_hosts, .job_id = "0123abcd"};

// A Config with one input "video" and one File group.
static json_t *with_output(const char *members)
{
    kn_auto(kn_buf_clear) struct kn_buf b = {0};
    kn_buf_printf(
        &b,
        "{'Inputs':[{'Name':'video','InputFile':{'Type':'OSS','Media':'oss://in-1/a/b.mp4'}},"
        "{'Name':'other','InputFile':{'Media':'oss://in-1/c.mp4'}}],"
        "'OutputGroups':[{'GroupConfig':{'Type':'File','OutputFileBase':"
        "{'Type':'OSS','Media':'oss://out-1/dir'}},'Outputs':[{%s}]}]}",
        members);
    return quoted(kn_buf_text(&b));
}

static void load(struct kn_convert_spec *spec, json_t *config)
{
    struct kn_error err = {0};
    json_t *canonical = NULL;
    if (kn_convert_canonical(&canonical, config, &site, &err) != KN_OK)
        fail_msg("%s: %s", err.reason, err.message);
    assert_int_equal(kn_convert_spec_load(spec, canonical, &err), KN_OK);
    json_decref(canonical);
    json_decref(config);
}

#define NAMED "'OutputFileName':'x','TemplateId':'Video-360P'"
#define OVER(text) NAMED ",'OverrideParams':" text

/* ---- the tutorial ---- */
static const char tutorial[] =
    "{'Inputs':[{'Name':'video','InputFile':{'Type':'OSS','Media':"
    "'https://my-bucket.oss.example.com:8801/video%20one.mp4'}},"
    "{'Name':'EnglishAudio','InputFile':{'Type':'OSS','Media':"
    "'https://my-bucket.oss-cn-shanghai.aliyuncs.com/en.mp4'}},"
    "{'Name':'JapaneseFile','InputFile':{'Type':'OSS','Url':'http://oss.example.com:8801/my-bucket/"
    "ja.mp4'},"
    "'AudioSelector':[{'Name':'JapaneseAudio','Rule':'tag','TagConfig':{'language':'jpn'}}]}],"
    "'OutputGroups':[{'GroupConfig':{'Type':'File','OutputFileBase':{'Type':'OSS','Media':"
    "'https://my-bucket.oss.example.com/out/'}},'Outputs':[{'Name':'360P',"
    "'OutputFileName':'video/360p/360p','TemplateId':'Video-360P','OverrideParams':{'Audios':["
    "{'InputRef':'video','LanguageControl':'InputFirst'},"
    "{'InputRef':'EnglishAudio','LanguageControl':'Configured','Language':'eng'},"
    "{'InputRef':'JapaneseAudio','LanguageControl':'InputFirst'}]}}]}]}";

static void tutorial_gives_three_tracks_in_order(void **state)
{
    (void)state;
    kn_auto(kn_convert_spec_clear) struct kn_convert_spec spec = {0};
    load(&spec, quoted(tutorial));
    assert_string_equal(spec.inputs[0].uri, "oss://my-bucket/video one.mp4");
    assert_string_equal(spec.inputs[1].uri, "oss://my-bucket/en.mp4");
    assert_string_equal(spec.inputs[2].uri, "oss://my-bucket/ja.mp4");
    const struct kn_convert_output *out = &spec.groups[0].outputs[0];
    assert_string_equal(out->uri, "oss://my-bucket/out/video/360p/360p.mp4");
    assert_int_equal(out->n_audios, 3);
    assert_int_equal(out->audios[0].input_index, 0);
    assert_int_equal(out->audios[0].selector_index, -1);
    assert_int_equal(out->audios[1].language_control, KN_LANGUAGE_CONFIGURED);
    assert_string_equal(out->audios[1].language, "eng");
    assert_int_equal(out->audios[2].input_index, 2);
    assert_int_equal(out->audios[2].selector_index, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(out->audios[i].profile, KN_AAC_HE);
        assert_true(out->audios[i].allow_low_complexity);
        assert_int_equal(out->audios[i].bitrate_bps, 64000);
        assert_int_equal(out->audios[i].samplerate_hz, 48000);
    }
    assert_int_equal(out->video.rate, KN_RATE_ONE_PASS);
    assert_int_equal(out->video.bitrate_bps, 400000);
    assert_int_equal(out->video.gop_us, 5 * KN_SECOND);
    assert_int_equal(out->trans.resolution, KN_CHECK_USE_INPUT);
    assert_false(out->trans.keep_captions);
}

static void overrides_may_be_a_string(void **state)
{
    (void)state;
    kn_auto(kn_convert_spec_clear) struct kn_convert_spec spec = {0};
    json_t *config = with_output(NAMED);
    json_t *output = json_array_get(
        json_object_get(json_array_get(json_object_get(config, "OutputGroups"), 0), "Outputs"), 0);
    json_object_set_new(output, "OverrideParams", json_string("{\"Video\":{\"Bitrate\":\"500\"}}"));
    json_object_set_new(
        output, "Features",
        json_string("{\"Clip\":{\"TimeSpan\":{\"Seek\":\"00:01:02.5\",\"End\":\"3\"}}}"));
    load(&spec, config);
    const struct kn_convert_output *out = &spec.groups[0].outputs[0];
    assert_int_equal(out->video.bitrate_bps, 500000);
    assert_int_equal(out->features.clip.seek_us, 62500000);
    assert_int_equal(out->features.clip.tail_us, 3 * KN_SECOND);
    assert_true(out->features.clip.duration_us == KN_NO_TIME);
}

static void crf_override_replaces_the_templates_bitrate(void **state)
{
    (void)state;
    kn_auto(kn_convert_spec_clear) struct kn_convert_spec spec = {0};
    load(&spec, with_output(OVER("{'Video':{'Crf':20}}")));
    assert_int_equal(spec.groups[0].outputs[0].video.rate, KN_RATE_CRF);
    assert_true(spec.groups[0].outputs[0].video.crf == 20);
    assert_int_equal(spec.groups[0].outputs[0].video.maxrate_bps, 800000);
}

static void codec_override_drops_the_old_profile(void **state)
{
    (void)state;
    kn_auto(kn_convert_spec_clear) struct kn_convert_spec spec = {0};
    load(&spec, with_output(OVER("{'Video':{'Codec':'h265'},'Audio':{'Codec':'MP3'}}")));
    assert_int_equal(spec.groups[0].outputs[0].video.codec, KN_VIDEO_H265);
    assert_int_equal(spec.groups[0].outputs[0].audios[0].codec, KN_AUDIO_MP3);
}

static void no_audios_means_no_sound(void **state)
{
    (void)state;
    kn_auto(kn_convert_spec_clear) struct kn_convert_spec spec = {0};
    load(&spec, with_output(OVER("{'Audios':[]}")));
    assert_int_equal(spec.groups[0].outputs[0].n_audios, 0);
}

static void unnamed_inputs_continue_the_first(void **state)
{
    (void)state;
    kn_auto(kn_convert_spec_clear) struct kn_convert_spec spec = {0};
    json_t *config = with_output(NAMED);
    json_array_append_new(json_object_get(config, "Inputs"),
                          quoted("{'InputFile':{'Type':'Media','Media':'abc123'}}"));
    load(&spec, config);
    assert_false(spec.inputs[0].joins_first);
    assert_false(spec.inputs[1].joins_first);
    assert_true(spec.inputs[2].joins_first);
    assert_string_equal(spec.inputs[2].uri, "media://abc123");
}

static void placeholders_are_filled_from_the_first_input(void **state)
{
    (void)state;
    kn_auto(kn_convert_spec_clear) struct kn_convert_spec spec = {0};
    load(&spec, with_output("'TemplateId':'Video-360P','OutputFileName':"
                            "'{ObjectPrefix}{FileName}-{JobId}-{ExtName}-{Odd}-{DestMd5}.MP4'"));
    assert_string_equal(spec.groups[0].outputs[0].uri,
                        "oss://out-1/dir/a/b-0123abcd-mp4-{Odd}-{DestMd5}.MP4");
}

static void hls_group_names_its_manifest_and_renditions(void **state)
{
    (void)state;
    kn_auto(kn_convert_spec_clear) struct kn_convert_spec spec = {0};
    load(
        &spec,
        quoted("{'Inputs':[{'Name':'v','InputFile':{'Media':'oss://in-1/a.mp4'}}],'OutputGroups':["
               "{'GroupConfig':{'Type':'Hls','OutputFileBase':{'Media':'oss://out-1/'}},'Outputs':["
               "{'OutputFileName':'video/v','TemplateId':'S00000001-200021','OverrideParams':"
               "{'Audio':{'Remove':'true'}},'HlsGroupConfig':{'Type':'video'}},"
               "{'OutputFileName':'audio/a','TemplateId':'S00000001-200021','OverrideParams':"
               "{'Video':{'Remove':true}},'HlsGroupConfig':{'Type':'audio','Name':'English',"
               "'Language':'en','IsDefault':'true'}}]}]}"));
    const struct kn_convert_group *group = &spec.groups[0];
    assert_string_equal(group->manifest_uri, "oss://out-1/master.m3u8");
    assert_string_equal(group->outputs[0].uri, "oss://out-1/video/v.m3u8");
    assert_int_equal(group->outputs[0].n_audios, 0);
    assert_int_equal(group->outputs[1].video.mode, KN_STREAM_DROP);
    assert_true(group->outputs[1].hls.is_default);
    assert_string_equal(group->outputs[1].hls.group, "audio");
}

/* ---- refusals, each with its path ---- */
#define O0 "Config.OutputGroups[0].Outputs[0]"

static void refusals_name_the_field(void **state)
{
    (void)state;
    static const struct {
        const char *members, *reason, *field;
    } rows[] = {
        {OVER("{'Audios':[{'InputRef':'video'},{'InputRef':'nobody'}]}"), "InvalidParameter",
         "'" O0 ".OverrideParams.Audios[1].InputRef'"},
        {OVER("{'Audios':[{}]}"), "EmptyValue", "'" O0 ".OverrideParams.Audios[0].InputRef'"},
        {OVER("{'Audios':[{'InputRef':'video','LanguageControl':'Odd'}]}"), "InvalidParameter",
         "'" O0 ".OverrideParams.Audios[0].LanguageControl'"},
        {OVER("{'Audios':[{'InputRef':'video','LanguageControl':'Configured'}]}"), "EmptyValue",
         "'" O0 ".OverrideParams.Audios[0].Language'"},
        {OVER("{'Audios':[{'InputRef':'video','Language':'english'}]}"), "InvalidParameter",
         "'" O0 ".OverrideParams.Audios[0].Language'"},
        {OVER("{'Video':{'Width':129}}"), "OutOfRange", "'" O0 ".OverrideParams.Video.Width'"},
        {OVER("{'Video':{'Width':8192}}"), "OutOfRange", "'" O0 ".OverrideParams.Video.Width'"},
        {OVER("{'Video':{'Bitrate':60000}}"), "OutOfRange",
         "'" O0 ".OverrideParams.Video.Bitrate'"},
        {OVER("{'Video':{'Crf':52}}"), "OutOfRange", "'" O0 ".OverrideParams.Video.Crf'"},
        {OVER("{'Video':{'Fps':61}}"), "OutOfRange", "'" O0 ".OverrideParams.Video.Fps'"},
        {OVER("{'Video':{'Gop':'x'}}"), "OutOfRange", "'" O0 ".OverrideParams.Video.Gop'"},
        {OVER("{'Video':{'Codec':'H.265','Profile':'main'}}"), "NotSupported",
         "'" O0 ".OverrideParams.Video.Profile'"},
        {OVER("{'Video':{'Codec':'VP8'}}"), "NotSupported", "'" O0 ".OverrideParams.Video.Codec'"},
        {OVER("{'Video':{'Crop':'1:2'}}"), "InvalidParameter",
         "'" O0 ".OverrideParams.Video.Crop'"},
        {OVER("{'Video':{'Pad':'640:360:0:0'}}"), "InvalidParameter",
         "'" O0 ".OverrideParams.Video.Pad'"},
        {OVER("{'Container':{'Format':'avi'}}"), "NotSupported",
         "'" O0 ".OverrideParams.Container.Format'"},
        {OVER("{'Container':{'Format':'flv'},'Video':{'Codec':'H.265'}}"), "NotSupported",
         "'" O0 ".OverrideParams.Video.Codec'"},
        {OVER("{'Container':{'Format':'mp3'}}"), "NotSupported",
         "'" O0 ".OverrideParams.Video.Codec'"},
        {OVER("{'Audio':{'Samplerate':8001}}"), "OutOfRange",
         "'" O0 ".OverrideParams.Audio.Samplerate'"},
        {OVER("{'Audio':{'Channels':7}}"), "OutOfRange", "'" O0 ".OverrideParams.Audio.Channels'"},
        {OVER("{'Audio':{'Volume':{'Method':'linear','Level':30}}}"), "OutOfRange",
         "'" O0 ".OverrideParams.Audio.Volume.Level'"},
        {OVER("{'Video':{'Remove':true},'Audio':{'Remove':true}}"), "EmptyValue",
         "'" O0 ".OverrideParams'"},
        {OVER("{'MuxConfig':{'Segment':{'Duration':61}}}"), "OutOfRange",
         "'" O0 ".OverrideParams.MuxConfig.Segment.Duration'"},
        {OVER("{'MuxConfig':{'Segment':{'ForceSegTime':'3,2'}}}"), "OutOfRange",
         "'" O0 ".OverrideParams.MuxConfig.Segment.ForceSegTime'"},
        {OVER("'{'"), "JsonFormatInvalid", "'" O0 ".OverrideParams'"},
        {OVER("'[]'"), "JsonObjectFormatInvalid", "'" O0 ".OverrideParams'"},
        {NAMED ",'Features':{'Clip':{'TimeSpan':{'Seek':'1:2:3:4'}}}", "InvalidParameter",
         "'" O0 ".Features.Clip.TimeSpan.Seek'"},
        {NAMED ",'Features':{'Metadata':{'a':'1','b':'1','c':'1','d':'1','e':'1'}}", "OutOfRange",
         "'" O0 ".Features.Metadata'"},
        {NAMED ",'Features':{'Watermarks':[{'Type':'Text'}]}", "EmptyValue",
         "'" O0 ".Features.Watermarks[0].Content'"},
        {NAMED ",'Features':{'Watermarks':[{'File':{'Media':'ftp://x/y'}}]}", "InvalidParameter",
         "'" O0 ".Features.Watermarks[0].File.Media'"},
        {NAMED ",'Priority':11", "OutOfRange", "'" O0 ".Priority'"},
        {"'OutputFileName':'x','TemplateId':'none'", "TemplateNotFound", "'" O0 ".TemplateId'"},
        {"'OutputFileName':'x'", "EmptyValue", "'" O0 ".TemplateId'"},
        {"'TemplateId':'Video-360P'", "EmptyValue", "'" O0 ".OutputFileName'"},
        {"'OutputFileName':'../x','TemplateId':'Video-360P'", "ObjectKeyInvalid",
         "'" O0 ".OutputFileName'"},
    };
    for (size_t i = 0; i < KN_COUNT(rows); i++) {
        struct kn_error err = {0};
        json_auto_t *config = with_output(rows[i].members);
        json_t *canonical = NULL;
        assert_int_equal(kn_convert_canonical(&canonical, config, &site, &err), KN_EINVAL);
        if (strcmp(err.reason, rows[i].reason) != 0 || !strstr(err.message, rows[i].field))
            fail_msg("row %zu, %s: %s: %s", i, rows[i].members, err.reason, err.message);
    }
}

static void whole_configs_are_refused_by_field(void **state)
{
    (void)state;
    static const struct {
        const char *config, *reason, *field;
    } rows[] = {
        {"[]", "JsonObjectFormatInvalid", "'Config'"},
        {"{}", "EmptyValue", "'Config.Inputs'"},
        {"{'Inputs':[{}]}", "EmptyValue", "'Config.Inputs[0].InputFile'"},
        {"{'Inputs':[{'InputFile':{'Media':'oss://in-1/a'}}]}", "EmptyValue",
         "'Config.OutputGroups'"},
        {"{'Inputs':[{'InputFile':{'Media':'oss://IN/a'}}]}", "BucketNameInvalid",
         "'Config.Inputs[0].InputFile.Media'"},
        {"{'Inputs':[{'InputFile':{'Media':'oss://in-1/a/../b'}}]}", "ObjectKeyInvalid",
         "'Config.Inputs[0].InputFile.Media'"},
        {"{'Inputs':[{'InputFile':{'Media':'/etc/passwd'}}]}", "InvalidParameter",
         "'Config.Inputs[0].InputFile.Media'"},
        {"{'Inputs':[{'InputFile':{'Type':'Disk','Media':'oss://in-1/a'}}]}", "InvalidParameter",
         "'Config.Inputs[0].InputFile.Type'"},
        {"{'Inputs':[{'Name':'a','InputFile':{'Media':'oss://in-1/a'}},{'Name':'a','InputFile':"
         "{'Media':'oss://in-1/a'}}],'Outputs':[{'TemplateId':'Video-360P','OutputFile':"
         "{'Media':'oss://out-1/x'}}]}",
         "InvalidParameter", "'Config.Inputs[1].Name'"},
        {"{'Inputs':[{'Name':'a','InputFile':{'Media':'oss://in-1/a'},'AudioSelector':[{'Name':'s',"
         "'Rule':'pid'}]}],'Outputs':[{'TemplateId':'Video-360P','OutputFile':"
         "{'Media':'oss://out-1/x'}}]}",
         "NotSupported", "'Config.Inputs[0].AudioSelector[0].Rule'"},
        {"{'JobName':'0123456789012345678901234567890123456789012345678901234567890123456789',"
         "'Inputs':[{'InputFile':{'Media':'oss://in-1/a'}}],'Outputs':[{'TemplateId':'Video-360P',"
         "'OutputFile':{'Media':'oss://out-1/x'}}]}",
         "OutOfRange", "'Config.JobName'"},
        {"{'Inputs':[{'InputFile':{'Media':'oss://in-1/a'}}],'Outputs':[{'TemplateId':'Video-360P',"
         "'OutputFile':{'Media':'oss://out-1/x'}},{'TemplateId':'Video-360P','OutputFile':"
         "{'Media':'oss://out-1/x.mp4'}}]}",
         "InvalidParameter", "'Config.Outputs[1].OutputFile.Media'"},
        {"{'Inputs':[{'InputFile':{'Media':'oss://in-1/"
         "a'}}],'OutputGroups':[{'GroupConfig':{'Type':"
         "'Smooth','OutputFileBase':{'Media':'oss://out-1/'}},'Outputs':[{}]}]}",
         "InvalidParameter", "'Config.OutputGroups[0].GroupConfig.Type'"},
        {"{'Inputs':[{'InputFile':{'Media':'oss://in-1/"
         "a'}}],'OutputGroups':[{'GroupConfig':{'Type':"
         "'Hls','OutputFileBase':{'Media':'oss://out-1/'}},'Outputs':[{'OutputFileName':'x',"
         "'TemplateId':'Video-360P'}]}]}",
         "NotSupported", "'Config.OutputGroups[0].Outputs[0].OverrideParams.Container.Format'"},
    };
    for (size_t i = 0; i < KN_COUNT(rows); i++) {
        struct kn_error err = {0};
        json_auto_t *config = quoted(rows[i].config);
        json_t *canonical = NULL;
        assert_int_equal(kn_convert_canonical(&canonical, config, &site, &err), KN_EINVAL);
        if (strcmp(err.reason, rows[i].reason) != 0 || !strstr(err.message, rows[i].field))
            fail_msg("row %zu: %s: %s", i, err.reason, err.message);
    }
}

static void command_line_may_name_paths(void **state)
{
    (void)state;
    struct kn_convert_site here = {.may_name_paths = true};
    json_auto_t *config =
        quoted("{'Inputs':[{'InputFile':{'Media':'films/in.mp4'}}],'Outputs':["
               "{'TemplateId':'Video-360P','OutputFile':{'Media':'out/{FileName}'}}]}");
    json_auto_t *canonical = NULL;
    assert_int_equal(kn_convert_canonical(&canonical, config, &here, NULL), KN_OK);
    const json_t *output = json_array_get(json_object_get(canonical, "Outputs"), 0);
    assert_string_equal(json_string_value(json_object_get(output, "Uri")), "out/in.mp4");
}

static void echo_turns_objects_into_strings(void **state)
{
    (void)state;
    json_auto_t *config = with_output(OVER("{'Audios':[]}"));
    json_auto_t *echo = NULL;
    assert_int_equal(kn_convert_echo(&echo, config, NULL), KN_OK);
    json_t *output = json_array_get(
        json_object_get(json_array_get(json_object_get(echo, "OutputGroups"), 0), "Outputs"), 0);
    assert_string_equal(json_string_value(json_object_get(output, "OverrideParams")),
                        "{\"Audios\":[]}");
    assert_int_equal(json_integer_value(json_object_get(output, "Priority")), 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tutorial_gives_three_tracks_in_order),
        cmocka_unit_test(overrides_may_be_a_string),
        cmocka_unit_test(crf_override_replaces_the_templates_bitrate),
        cmocka_unit_test(codec_override_drops_the_old_profile),
        cmocka_unit_test(no_audios_means_no_sound),
        cmocka_unit_test(unnamed_inputs_continue_the_first),
        cmocka_unit_test(placeholders_are_filled_from_the_first_input),
        cmocka_unit_test(hls_group_names_its_manifest_and_renditions),
        cmocka_unit_test(refusals_name_the_field),
        cmocka_unit_test(whole_configs_are_refused_by_field),
        cmocka_unit_test(command_line_may_name_paths),
        cmocka_unit_test(echo_turns_objects_into_strings),
    };
    return cmocka_run_group_tests_name("features/convert/canonical", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "base/cleanup.h"
#include "features/convert/manifest.h"

static void references_resolve_inside_the_rules(void **state)
{
    (void)state;
    static const struct {
        const char *playlist, *reference, *result; // NULL: refused
    } rows[] = {
        {"oss://b-1/a/m.m3u8", "v/1.ts", "oss://b-1/a/v/1.ts"},
        {"oss://b-1/a/m.m3u8", "../x%20y.ts?t=1", "oss://b-1/x y.ts"},
        {"oss://b-1/a/m.m3u8", "/root.ts", "oss://b-1/root.ts"},
        {"oss://b-1/a/m.m3u8", "oss://b-1/c.ts", "oss://b-1/c.ts"},
        {"oss://b-1/a/m.m3u8", "https://cdn.example.com/c.ts", "https://cdn.example.com/c.ts"},
        {"oss://b-1/a/m.m3u8", "../../c.ts", NULL},
        {"oss://b-1/a/m.m3u8", "%2e%2e/%2e%2e/c.ts", NULL},
        {"oss://b-1/a/m.m3u8", "oss://b-2/c.ts", NULL},
        {"oss://b-1/a/m.m3u8", "oss://b-10/c.ts", NULL},
        {"oss://b-1/a/m.m3u8", "file:///etc/passwd", NULL},
        {"oss://b-1/a/m.m3u8", "concat:a|b", NULL},
        {"oss://b-1/a/m.m3u8", "data:text/plain,x", NULL},
        {"oss://b-1/a/m.m3u8", "media://abc", NULL},
        {"http://h:8/a/m.m3u8?s=1", "v/1.ts?x=2", "http://h:8/a/v/1.ts?x=2"},
        {"http://h:8/a/m.m3u8", "../1.ts", "http://h:8/1.ts"},
        {"http://h:8/a/m.m3u8", "/1.ts", "http://h:8/1.ts"},
        {"http://h:8", "1.ts", "http://h:8/1.ts"},
        {"https://h/a/m.m3u8", "//other/1.ts", "https://other/1.ts"},
        {"https://h/a/m.m3u8", "oss://b-1/x", NULL},
        {"https://h/a/m.m3u8", "file:/etc/passwd", NULL},
        {"films/m.m3u8", "v/1.ts", "films/v/1.ts"},
        {"/films/m.m3u8", "./1.ts", "/films/1.ts"},
        {"films/m.m3u8", "../1.ts", NULL},
        {"films/m.m3u8", "/etc/passwd", NULL},
        {"films/m.m3u8", "%2fetc/passwd", NULL},
        {"media://abc", "1.ts", NULL},
    };
    for (size_t i = 0; i < KN_COUNT(rows); i++) {
        kn_auto(kn_buf_clear) struct kn_buf out = {0};
        kn_code rc = kn_playlist_resolve(&out, rows[i].playlist, rows[i].reference, NULL);
        if (rc != (rows[i].result ? KN_OK : KN_EMEDIA) ||
            (rc == KN_OK && strcmp(kn_buf_text(&out), rows[i].result) != 0))
            fail_msg("%s + %s gives %d '%s'", rows[i].playlist, rows[i].reference, (int)rc,
                     kn_buf_text(&out));
    }
}

static void names_are_relative_to_the_manifest(void **state)
{
    (void)state;
    static const struct {
        const char *manifest, *target, *result;
    } rows[] = {
        {"oss://b-1/a/m.m3u8", "oss://b-1/a/v/1 2.m3u8", "v/1%202.m3u8"},
        {"oss://b-1/a/m.m3u8", "oss://b-1/x/v.m3u8", "../x/v.m3u8"},
        {"oss://b-1/m.m3u8", "oss://b-1/v.m3u8", "v.m3u8"},
        {"out/m.m3u8", "out/v/v.m3u8", "v/v.m3u8"},
        {"oss://b-1/m.m3u8", "https://h/v.m3u8", "https://h/v.m3u8"},
        {"oss://b-1/m.m3u8", "oss://b-2/v.m3u8", NULL},
    };
    for (size_t i = 0; i < KN_COUNT(rows); i++) {
        kn_auto(kn_buf_clear) struct kn_buf out = {0};
        kn_code rc = kn_manifest_relative(&out, rows[i].manifest, rows[i].target, NULL);
        assert_int_equal(rc, rows[i].result ? KN_OK : KN_EINVAL);
        if (rows[i].result)
            assert_string_equal(kn_buf_text(&out), rows[i].result);
    }
}

static struct kn_convert_output outputs[] = {
    {.hls = {.type = KN_RENDITION_VIDEO, .audio_group = "audio", .subtitle_group = "subtitle"}},
    {.hls = {.type = KN_RENDITION_AUDIO,
             .group = "audio",
             .name = "Chinese",
             .language = "zh",
             .is_default = true}},
    {.hls = {.type = KN_RENDITION_SUBTITLE,
             .group = "subtitle",
             .name = "English",
             .language = "en",
             .is_auto_select = true}},
};
static const struct kn_rendition_facts facts[] = {
    {.uri = "oss://b-1/o/video/720p.m3u8",
     .peak_bps = 900000,
     .average_bps = 700000,
     .codecs = "avc1.640020",
     .width_px = 720,
     .height_px = 1280,
     .fps_num = 25,
     .fps_den = 1},
    {.uri = "oss://b-1/o/audio/zh.m3u8",
     .peak_bps = 70000,
     .average_bps = 64000,
     .codecs = "mp4a.40.5",
     .channels = 2},
    {.uri = "oss://b-1/o/subtitle/en.m3u8"},
};

static void master_joins_the_renditions(void **state)
{
    (void)state;
    struct kn_convert_group group = {.type = KN_GROUP_HLS,
                                     .manifest_uri = "oss://b-1/o/m.m3u8",
                                     .outputs = outputs,
                                     .n_outputs = 3};
    kn_auto(kn_buf_clear) struct kn_buf out = {0};
    assert_int_equal(kn_master_write(&out, &group, facts, NULL, NULL), KN_OK);
    assert_string_equal(
        kn_buf_text(&out),
        "#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-INDEPENDENT-SEGMENTS\n"
        "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"Chinese\",DEFAULT=YES,AUTOSELECT=YES,"
        "LANGUAGE=\"zh\",CHANNELS=\"2\",URI=\"audio/zh.m3u8\"\n"
        "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"subtitle\",NAME=\"English\",DEFAULT=NO,"
        "AUTOSELECT=YES,FORCED=NO,LANGUAGE=\"en\",URI=\"subtitle/en.m3u8\"\n"
        "#EXT-X-STREAM-INF:PROGRAM-ID=1,BANDWIDTH=970000,AVERAGE-BANDWIDTH=764000,"
        "CODECS=\"avc1.640020,mp4a.40.5\",RESOLUTION=720x1280,FRAME-RATE=25.000,AUDIO=\"audio\","
        "SUBTITLES=\"subtitle\"\nvideo/720p.m3u8\n");
}

static void failed_renditions_leave_no_trace(void **state)
{
    (void)state;
    struct kn_convert_group group = {.type = KN_GROUP_HLS,
                                     .manifest_uri = "oss://b-1/o/m.m3u8",
                                     .outputs = outputs,
                                     .n_outputs = 3};
    struct kn_rendition_facts some[] = {facts[0], {0}, {0}};
    kn_auto(kn_buf_clear) struct kn_buf out = {0};
    assert_int_equal(kn_master_write(&out, &group, some, NULL, NULL), KN_OK);
    assert_null(strstr(kn_buf_text(&out), "AUDIO="));
    assert_null(strstr(kn_buf_text(&out), "SUBTITLES="));
}

static void existing_master_is_extended_without_its_excludes(void **state)
{
    (void)state;
    static const char text[] =
        "#EXTM3U\n"
        "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"old\",NAME=\"A, B\",LANGUAGE=\"en\",URI=\"a/en.m3u8\"\n"
        "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"old\",NAME=\"Jp\",LANGUAGE=\"ja\",URI=\"a/ja.m3u8\"\n"
        "#EXT-X-STREAM-INF:BANDWIDTH=5,AUDIO=\"old\"\n\nv.m3u8\n";
    kn_auto(kn_master_clear) struct kn_master master = {0};
    assert_int_equal(kn_master_read(&master, text, strlen(text), "oss://b-1/in/m.m3u8", NULL),
                     KN_OK);
    assert_int_equal(master.n_entries, 3);
    assert_string_equal(master.entries[0].name, "A, B");
    assert_string_equal(master.entries[2].uri, "oss://b-1/in/v.m3u8");
    struct kn_convert_exclude exclude = {KN_EXCLUDE_AUDIO, "jpn", NULL};
    struct kn_convert_group group = {.type = KN_GROUP_HLS,
                                     .manifest_uri = "oss://b-1/o/m.m3u8",
                                     .excludes = &exclude,
                                     .n_excludes = 1,
                                     .outputs = outputs,
                                     .n_outputs = 3};
    kn_auto(kn_buf_clear) struct kn_buf out = {0};
    assert_int_equal(kn_master_write(&out, &group, facts, &master, NULL), KN_OK);
    assert_non_null(
        strstr(kn_buf_text(&out), "NAME=\"A, B\",LANGUAGE=\"en\",URI=\"../in/a/en.m3u8\"\n"));
    assert_non_null(strstr(kn_buf_text(&out), "BANDWIDTH=5,AUDIO=\"old\"\n../in/v.m3u8\n"));
    assert_null(strstr(kn_buf_text(&out), "ja.m3u8"));
}

static void media_playlist_is_no_master(void **state)
{
    (void)state;
    static const char *const texts[] = {"#EXTM3U\n#EXTINF:1,\na.ts\n", "#EXTM3U\n", "",
                                        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n",
                                        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nfile:///x\n"};
    for (size_t i = 0; i < KN_COUNT(texts); i++) {
        kn_auto(kn_master_clear) struct kn_master master = {0};
        assert_int_equal(
            kn_master_read(&master, texts[i], strlen(texts[i]), "oss://b-1/m.m3u8", NULL),
            KN_EMEDIA);
    }
}

static void subtitles_are_one_segment(void **state)
{
    (void)state;
    struct kn_manifest_segment segment = {"oss://b-1/o/en.vtt", 31400000};
    kn_auto(kn_buf_clear) struct kn_buf out = {0};
    assert_int_equal(kn_media_playlist_write(&out, "oss://b-1/o/en.m3u8", NULL, 1, &segment, 1, NULL),
                     KN_OK);
    assert_string_equal(kn_buf_text(&out), "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:31\n"
                                           "#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n"
                                           "#EXTINF:31.400000,\nen.vtt\n#EXT-X-ENDLIST\n");
}

static void mpd_groups_renditions_by_kind_and_language(void **state)
{
    (void)state;
    struct kn_manifest_segment s[] = {{"oss://b-1/o/v-00001.m4s", 5000000},
                                      {"oss://b-1/o/v-00002.m4s", 2500000}};
    struct kn_dash_track tracks[] = {
        {.kind = KN_RENDITION_VIDEO,
         .codecs = "avc1.64001f",
         .bandwidth_bps = 900000,
         .width_px = 1280,
         .height_px = 720,
         .fps_num = 25,
         .fps_den = 1,
         .init_uri = "oss://b-1/o/v&i.mp4",
         .segments = s,
         .n_segments = 2},
        {.kind = KN_RENDITION_VIDEO,
         .codecs = "avc1.64001e",
         .bandwidth_bps = 400000,
         .width_px = 640,
         .height_px = 360,
         .init_uri = "oss://b-1/o/w.mp4",
         .segments = s,
         .n_segments = 2},
        {.kind = KN_RENDITION_AUDIO,
         .codecs = "mp4a.40.2",
         .language = "eng",
         .bandwidth_bps = 1,
         .samplerate_hz = 48000,
         .channels = 2,
         .init_uri = "oss://b-1/o/a.mp4",
         .segments = s,
         .n_segments = 1},
        {.kind = KN_RENDITION_AUDIO,
         .codecs = "mp4a.40.2",
         .language = "jpn",
         .bandwidth_bps = 1,
         .init_uri = "oss://b-1/o/j.mp4",
         .segments = s,
         .n_segments = 1},
    };
    kn_auto(kn_buf_clear) struct kn_buf out = {0};
    assert_int_equal(kn_mpd_write(&out, "oss://b-1/o/m.mpd", 7500000, tracks, 4, NULL), KN_OK);
    const char *text = kn_buf_text(&out);
    int n_sets = 0;
    for (const char *at = text; (at = strstr(at, "<AdaptationSet")); at++)
        n_sets++;
    assert_int_equal(n_sets, 3);
    assert_non_null(strstr(text, "mediaPresentationDuration=\"PT7.500S\""));
    assert_non_null(strstr(text, "lang=\"en\""));
    assert_non_null(strstr(text, "lang=\"ja\""));
    assert_non_null(strstr(text, "sourceURL=\"v%26i.mp4\""));
    assert_non_null(strstr(text, "<S t=\"0\" d=\"5000000\"/>"));
}

/* ---- reading again ---- */
// The text with the first `from` in it replaced.
static void with_change(struct kn_buf *out, const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    assert_non_null(at);
    kn_buf_clear(out);
    kn_buf_printf(out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static void a_playlist_that_says_something_else_is_found_out(void **state)
{
    (void)state;
    static const char uri[] = "oss://b-1/o/m.m3u8", init[] = "oss://b-1/o/v-init.mp4";
    const struct kn_manifest_segment s[] = {{"oss://b-1/o/v-00001.m4s", 4960001},
                                            {"oss://b-1/o/v 00002.m4s", 2500000}};
    kn_auto(kn_buf_clear) struct kn_buf out = {0}, other = {0};
    assert_int_equal(kn_media_playlist_write(&out, uri, init, 1, s, 2, NULL), KN_OK);
    const char *text = kn_buf_text(&out);
    assert_int_equal(kn_media_playlist_check(text, uri, init, s, 2, NULL), KN_OK);
    assert_int_equal(kn_media_playlist_check(text, uri, init, s, 1, NULL), KN_EBUG);
    assert_int_equal(kn_media_playlist_check(text, uri, NULL, s, 2, NULL), KN_EBUG);
    assert_int_equal(kn_media_playlist_check("", uri, init, s, 2, NULL), KN_EBUG);
    static const char *const changes[][2] = {
        {"4.960001", "4.960000"},       {"TARGETDURATION:5", "TARGETDURATION:4"},
        {"v-00001.m4s", "v-00002.m4s"}, {"v-00001.m4s\n", "v-00001.m4s\nv-00001.m4s\n"},
        {"#EXT-X-ENDLIST\n", ""},       {"v-init.mp4", "w-init.mp4"},
        {"#EXTM3U", "EXTM3U"},          {"#EXTINF:2.500000,\n", ""},
        {"#EXT-X-ENDLIST\n", "#EXT-X-ENDLIST\nmore.ts\n"},
    };
    for (size_t i = 0; i < KN_COUNT(changes); i++) {
        with_change(&other, text, changes[i][0], changes[i][1]);
        if (kn_media_playlist_check(kn_buf_text(&other), uri, init, s, 2, NULL) != KN_EBUG)
            fail_msg("'%s' for '%s' went unnoticed", changes[i][1], changes[i][0]);
    }
}

static void an_mpd_that_says_something_else_is_found_out(void **state)
{
    (void)state;
    static const char uri[] = "oss://b-1/o/m.mpd";
    const struct kn_manifest_segment s[] = {{"oss://b-1/o/v&\"1.m4s", 5000000}, {"oss://b-1/o/v-2.m4s", 2500000}};
    const struct kn_manifest_segment words[] = {{"oss://b-1/o/w.vtt", 7500000}};
    const struct kn_dash_track tracks[] = {
        {.kind = KN_RENDITION_VIDEO, .init_uri = "oss://b-1/o/v.mp4", .segments = s, .n_segments = 2},
        {.kind = KN_RENDITION_AUDIO, .init_uri = "oss://b-1/o/a.mp4", .segments = s, .n_segments = 1},
        {.kind = KN_RENDITION_SUBTITLE, .segments = words, .n_segments = 1},
    };
    kn_auto(kn_buf_clear) struct kn_buf out = {0}, other = {0};
    assert_int_equal(kn_mpd_write(&out, uri, 7500000, tracks, 3, NULL), KN_OK);
    const char *text = kn_buf_text(&out);
    assert_int_equal(kn_mpd_check(text, uri, tracks, 3, NULL), KN_OK);
    assert_int_equal(kn_mpd_check(text, uri, tracks, 2, NULL), KN_EBUG);
    static const char *const changes[][2] = {
        {"v-2.m4s", "v-3.m4s"},   {"d=\"2500000\"", "d=\"2500001\""}, {"sourceURL=\"v.mp4", "sourceURL=\"w.mp4"},
        {"w.vtt", "v.vtt"},       {"</Representation>", ""},           {"</MPD>", ""},
        {"          </SegmentTimeline>", "<S d=\"1\"/></SegmentTimeline>"},
        {"        </SegmentList>", "<SegmentURL media=\"v-3.m4s\"/></SegmentList>"},
    };
    for (size_t i = 0; i < KN_COUNT(changes); i++) {
        with_change(&other, text, changes[i][0], changes[i][1]);
        if (kn_mpd_check(kn_buf_text(&other), uri, tracks, 3, NULL) != KN_EBUG)
            fail_msg("'%s' for '%s' went unnoticed", changes[i][1], changes[i][0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_resolve_inside_the_rules),
        cmocka_unit_test(names_are_relative_to_the_manifest),
        cmocka_unit_test(master_joins_the_renditions),
        cmocka_unit_test(failed_renditions_leave_no_trace),
        cmocka_unit_test(existing_master_is_extended_without_its_excludes),
        cmocka_unit_test(media_playlist_is_no_master),
        cmocka_unit_test(subtitles_are_one_segment),
        cmocka_unit_test(mpd_groups_renditions_by_kind_and_language),
        cmocka_unit_test(a_playlist_that_says_something_else_is_found_out),
        cmocka_unit_test(an_mpd_that_says_something_else_is_found_out),
    };
    return cmocka_run_group_tests_name("features/convert/manifest", tests, NULL, NULL);
}

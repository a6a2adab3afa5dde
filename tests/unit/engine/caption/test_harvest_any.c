/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Real films, where they lie beside the checkout: what the own readers of Matroska and MP4 deliver is what
 * libavformat delivers, packet by packet; and what lies inside pictures is found.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/strings.h"
#include "engine/caption/harvest_any.h"

static char films[1024];

static kn_code open_path(void *impl, const char *uri, struct kn_source **out, struct kn_error *err)
{
    (void)impl;
    return kn_source_open_file(out, uri, err);
}

static const struct kn_input_env ENV = {.open = open_path};

static bool has_films(void)
{
    const char *source = getenv("KINORA_SOURCE");
    (void)snprintf(films, sizeof(films), "%s/../shared/media/captions", source ? source : ".");
    if (access(films, R_OK) == 0)
        return true;
    printf("SKIPPED: there are no films in %s\n", films);
    return false;
}

// A track's packets by libavformat, and those of a harvest, must be alike.
static void check_packet(const char *path, const struct kn_harvest_packet *got, const AVPacket *packet,
                         const AVStream *st, int64_t start_us)
{
    const int64_t pts = av_rescale_q(packet->pts, st->time_base, AV_TIME_BASE_Q) - start_us;
    const int64_t away = got->packet.start_us - pts;
    if (away < -1 || away > 1)
        fail_msg("%s: a packet at %d us, not %d", path, (int)got->packet.start_us, (int)pts);
    assert_int_equal(got->packet.n, packet->size);
    assert_memory_equal(got->packet.bytes, packet->data, got->packet.n);
    const int64_t duration = av_rescale_q(packet->duration, st->time_base, AV_TIME_BASE_Q);
    // A tick may lie between: libavformat ends a track where its edit list does.
    if (packet->duration > 0 && got->packet.duration_us != KN_NO_TIME)
        assert_in_range(got->packet.duration_us - duration + 2000, 0, 4000);
}

static void check_track(const char *path, const struct kn_harvest_track *track)
{
    struct kn_error err = {0};
    kn_auto(kn_harvest_free) struct kn_harvest *harvest = NULL;
    kn_auto(kn_input_free) struct kn_input *input = NULL;
    assert_int_equal(kn_harvest_open_any(&harvest, path, &ENV, &err), KN_OK);
    assert_int_equal(kn_input_open(&input, path, &ENV, &err), KN_OK);
    assert_int_equal(kn_harvest_choose(harvest, track->number, &err), KN_OK);
    AVStream *st = input->format->streams[track->facts.stream_index];
    // FFmpeg 5.1 knows neither TTML in MP4 nor WebVTT in Matroska: data, with the same packets.
    assert_true(st->codecpar->codec_type == AVMEDIA_TYPE_SUBTITLE ||
                st->codecpar->codec_type == AVMEDIA_TYPE_DATA);
    const int64_t start_us = kn_harvest_facts(harvest).start_us;
    assert_int_equal(start_us, kn_input_start_us(input));
    kn_auto(av_packet_free) AVPacket *packet = av_packet_alloc();
    int n_packets = 0;
    while (av_read_frame(input->format, packet) == 0) {
        // A text of length nothing only fills the time of an MP4 track; a vtte box as well.
        const bool is_filler = (track->facts.codec == KN_CAPTION_MOV_TEXT && packet->size <= 2) ||
                               (track->facts.codec == KN_CAPTION_WVTT && packet->size <= 8);
        if (packet->stream_index == st->index && !is_filler) {
            struct kn_harvest_packet got;
            bool has;
            if (kn_harvest_next(harvest, &got, &has, &err) != KN_OK || !has)
                fail_msg("%s: packet %d is missing: %s", path, n_packets, err.message);
            check_packet(path, &got, packet, st, start_us);
            n_packets++;
        }
        av_packet_unref(packet);
    }
    struct kn_harvest_packet more;
    bool has = true;
    assert_int_equal(kn_harvest_next(harvest, &more, &has, &err), KN_OK);
    assert_false(has);
    assert_true(n_packets > 0);
}

static void own_readers_deliver_what_libavformat_does(void **state)
{
    (void)state;
    if (!has_films())
        return;
    DIR *folder = opendir(films);
    assert_non_null(folder);
    int n_tracks = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[2048];
        (void)snprintf(path, sizeof(path), "%s/%s", films, entry->d_name);
        if (!kn_ends_with(path, ".mkv") && !kn_ends_with(path, ".mp4"))
            continue;
        kn_auto(kn_harvest_free) struct kn_harvest *harvest = NULL;
        struct kn_error err = {0};
        if (kn_harvest_open_any(&harvest, path, &ENV, &err) != KN_OK)
            fail_msg("%s", err.message);
        int n;
        const struct kn_harvest_track *tracks = kn_harvest_tracks(harvest, &n);
        for (int i = 0; i < n; i++) {
            if (tracks[i].refusal || kn_harvest_facts(harvest).container[0] == 'm')
                continue; // libavformat's own
            check_track(path, &tracks[i]);
            n_tracks++;
        }
    }
    closedir(folder);
    printf("%d tracks\n", n_tracks);
    assert_true(n_tracks > 15);
}

static int count_packets(const char *name, enum kn_caption_codec codec, int64_t *out_first_us)
{
    char path[2048];
    (void)snprintf(path, sizeof(path), "%s/%s", films, name);
    kn_auto(kn_harvest_free) struct kn_harvest *harvest = NULL;
    struct kn_error err = {0};
    if (kn_harvest_open_any(&harvest, path, &ENV, &err) != KN_OK)
        fail_msg("%s", err.message);
    int n, n_packets = 0;
    const struct kn_harvest_track *tracks = kn_harvest_tracks(harvest, &n);
    assert_int_equal(n, 1);
    assert_int_equal(tracks[0].facts.codec, codec);
    struct kn_harvest_packet packet;
    bool has;
    int64_t last_us = INT64_MIN;
    while (kn_harvest_next(harvest, &packet, &has, &err) == KN_OK && has) {
        if (n_packets++ == 0)
            *out_first_us = packet.packet.start_us;
        assert_true(codec != KN_CAPTION_CEA608 || packet.packet.start_us >= last_us);
        last_us = packet.packet.start_us;
    }
    assert_int_equal(err.code, KN_OK);
    return n_packets;
}

static void other_containers_and_pictures_with_captions_are_read_too(void **state)
{
    (void)state;
    if (!has_films())
        return;
    int64_t first_us = 0;
    assert_true(count_packets("sintel_cea608.ts", KN_CAPTION_CEA608, &first_us) > 10);
    assert_in_range(first_us, 0, 4 * KN_SECOND);
    assert_true(count_packets("cea608_hls.ts", KN_CAPTION_CEA608, &first_us) > 0);
    assert_true(count_packets("fragmented_captions.mp4", KN_CAPTION_CEA608, &first_us) > 0);
    assert_in_range(first_us, 0, 2 * KN_SECOND);
    assert_true(count_packets("sample_TS_dvbsub_at_video_start.ts", KN_CAPTION_DVB, &first_us) > 0);
    assert_in_range(first_us, 0, 1000);
    assert_true(count_packets("sample_XSUB.avi", KN_CAPTION_XSUB, &first_us) > 0);
    // A file of captions alone keeps its times.
    assert_true(count_packets("libpgs_test.sup", KN_CAPTION_PGS, &first_us) > 0);
    assert_int_equal(first_us, KN_SECOND);
}

int main(void)
{
    av_log_set_level(AV_LOG_FATAL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_readers_deliver_what_libavformat_does),
        cmocka_unit_test(other_containers_and_pictures_with_captions_are_read_too),
    };
    return cmocka_run_group_tests_name("engine/caption/harvest_any", tests, NULL, NULL);
}

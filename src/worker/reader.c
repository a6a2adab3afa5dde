/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kinora-reader: a nursery without media libraries, for caption jobs of the command line. Loading a
 * hundred libraries takes longer than taking eight tracks out of a film, and Matroska, MP4 and most caption
 * formats need none of them. What does need them is refused with the reason "NeedsMediaLibraries", and
 * kinora starts kinora-worker instead.
 *
 * The functions below stand in for those of engine/caption/harvest_any.c, small.c and ocr_stream.c, the only ones on a
 * caption job's way that use the libraries: the linker leaves out whoever is not asked for.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "engine/caption/harvest_any.h"
#include "engine/caption/ocr_stream.h"
#include "engine/caption/small.h"
#include "features/extract/extract.h"
#include "worker/nursery.h"

#define CONTROL_FD 3
#define NEEDS_LIBRARIES "NeedsMediaLibraries"

static const struct kn_worker_feature FEATURES[] = {
    {"extract", NULL, kn_extract_run},
    {NULL, NULL, NULL},
};

// Matroska and MP4 with caption tracks of their own; all else may be readable, but not here.
kn_code kn_harvest_open_any(struct kn_harvest **out_harvest, const char *uri,
                            const struct kn_input_env *env, struct kn_error *err)
{
    *out_harvest = NULL;
    kn_auto(kn_source_free) struct kn_source *source = NULL;
    kn_code rc = env->open(env->impl, uri, &source, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_harvest_free) struct kn_harvest *harvest = NULL;
    rc = kn_harvest_open(&harvest, &source, env->stop, err);
    if (rc != KN_OK && rc != KN_EUNSUP && rc != KN_EMEDIA)
        return rc;
    int n_tracks = 0;
    if (rc == KN_OK)
        (void)kn_harvest_tracks(harvest, &n_tracks);
    if (n_tracks == 0)
        return kn_fail_as(err, KN_EUNSUP, NEEDS_LIBRARIES, "'%s' is read by the media libraries", uri);
    *out_harvest = KN_TAKE(harvest);
    return KN_OK;
}

kn_code kn_small_read(struct kn_cue_list *list, const char *text, size_t n, const char *name,
                      struct kn_error *err)
{
    (void)list;
    (void)text;
    (void)n;
    return kn_fail_as(err, KN_EUNSUP, NEEDS_LIBRARIES, "'%s' is read by the media libraries",
                      name ? name : "the file");
}

// Captions made of pictures: their decoders are libavcodec's.
kn_code kn_ocr_stream_new(struct kn_ocr_stream **out_stream, struct kn_cue_list *list,
                          const struct kn_harvest_track *track, const struct kn_ocr_options *options,
                          struct kn_error *err)
{
    (void)list;
    (void)options;
    *out_stream = NULL;
    return kn_fail_as(err, KN_EUNSUP, NEEDS_LIBRARIES, "captions of kind '%s' are read by the media libraries",
                      track->facts.codec_name);
}

void kn_ocr_stream_free(struct kn_ocr_stream **stream)
{
    *stream = NULL;
}

kn_code kn_ocr_stream_packet(struct kn_ocr_stream *stream, const struct kn_caption_packet *packet,
                             struct kn_error *err)
{
    (void)stream;
    (void)packet;
    return kn_fail(err, KN_EBUG, "there is no stream of pictures here");
}

kn_code kn_ocr_stream_end(struct kn_ocr_stream *stream, int64_t media_end_us, struct kn_error *err)
{
    (void)stream;
    (void)media_end_us;
    return kn_fail(err, KN_EBUG, "there is no stream of pictures here");
}

struct kn_ocr_facts kn_ocr_stream_facts(const struct kn_ocr_stream *stream)
{
    (void)stream;
    return (struct kn_ocr_facts){.confidence = NAN};
}

int main(int argc, char **argv)
{
    const char *what = argc == 2 ? argv[1] : "";
    int type = 0;
    socklen_t size = sizeof(type);
    if (strcmp(what, "--version") == 0)
        return puts("kinora-reader " KN_VERSION) < 0;
    if (strcmp(what, "--nursery") == 0 && getsockopt(CONTROL_FD, SOL_SOCKET, SO_TYPE, &type, &size) == 0)
        return kn_nursery_main(CONTROL_FD, FEATURES, NULL);
    (void)fputs("kinora-reader: this program is started by kinora: run 'kinora captions'\n", stderr);
    return 2;
}

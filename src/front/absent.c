/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What this program does not have: the functions on a caption job's way that call a library whose loading takes longer
 * than taking eight tracks out of a film. Each stands in for the one of its name in engine/caption (the linker leaves
 * out whoever is not asked for) and refuses with the reason "NeedsMediaLibraries": kinora-worker, which has them all,
 * is then given the whole job.
 *
 *     libavformat, libavcodec   films but Matroska and MP4, small formats, captions made of pictures
 *     libxml2                   TTML, USF
 *     uchardet                  text that is no Unicode
 */
#include <math.h>

#include "base/cleanup.h"
#include "engine/caption/guess.h"
#include "engine/caption/harvest_any.h"
#include "engine/caption/ocr_stream.h"
#include "engine/caption/small.h"
#include "engine/caption/ttml.h"
#include "engine/caption/usf.h"

static kn_code refuse(struct kn_error *err, const char *what)
{
    return kn_fail_as(err, KN_EUNSUP, "NeedsMediaLibraries", "%s: read by the media libraries", what);
}

/* ---- films ---- */

kn_code kn_harvest_open_inside(struct kn_harvest **out_harvest, const char *uri, const struct kn_input_env *env,
                               struct kn_error *err)
{
    (void)env;
    *out_harvest = NULL;
    return refuse(err, uri);
}

// Matroska and MP4 with caption tracks of their own; all else may be readable, but not here.
kn_code kn_harvest_open_any(struct kn_harvest **out_harvest, const char *uri, const struct kn_input_env *env,
                            struct kn_error *err)
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
        return refuse(err, uri);
    *out_harvest = KN_TAKE(harvest);
    return KN_OK;
}

/* ---- text ---- */

kn_code kn_caption_guess(char out_encoding[40], const char *bytes, size_t n, struct kn_error *err)
{
    (void)bytes, (void)n;
    out_encoding[0] = '\0';
    return refuse(err, "text that is no Unicode");
}

kn_code kn_small_read(struct kn_cue_list *list, const char *text, size_t n, const char *name, struct kn_error *err)
{
    (void)list, (void)text, (void)n;
    return refuse(err, name ? name : "a small format");
}

kn_code kn_ttml_read(struct kn_cue_list *list, const char *text, size_t n, struct kn_error *err)
{
    (void)list, (void)text, (void)n;
    return refuse(err, "TTML");
}

kn_code kn_ttml_sample(struct kn_cue_list *list, const char *text, size_t n, int64_t start_us, int64_t end_us,
                       struct kn_error *err)
{
    (void)list, (void)text, (void)n, (void)start_us, (void)end_us;
    return refuse(err, "TTML");
}

kn_code kn_usf_header(struct kn_cue_list *list, struct kn_usf **out_usf, const char *text, size_t n,
                      struct kn_error *err)
{
    (void)list, (void)text, (void)n;
    *out_usf = NULL;
    return refuse(err, "USF");
}

kn_code kn_usf_packet(struct kn_cue_list *list, const struct kn_usf *usf, const char *text, size_t n,
                      int64_t start_us, int64_t end_us, struct kn_error *err)
{
    (void)list, (void)usf, (void)text, (void)n, (void)start_us, (void)end_us;
    return refuse(err, "USF");
}

kn_code kn_usf_read(struct kn_cue_list *list, const char *text, size_t n, struct kn_error *err)
{
    (void)list, (void)text, (void)n;
    return refuse(err, "USF");
}

/* ---- captions made of pictures ---- */

kn_code kn_ocr_stream_new(struct kn_ocr_stream **out_stream, struct kn_cue_list *list,
                          const struct kn_harvest_track *track, const struct kn_ocr_options *options,
                          struct kn_error *err)
{
    (void)list, (void)options;
    *out_stream = NULL;
    return refuse(err, track->facts.codec_name);
}

void kn_ocr_stream_free(struct kn_ocr_stream **stream)
{
    *stream = NULL;
}

kn_code kn_ocr_stream_packet(struct kn_ocr_stream *stream, const struct kn_caption_packet *packet,
                             struct kn_error *err)
{
    (void)stream, (void)packet;
    return kn_fail(err, KN_EBUG, "there is no stream of pictures here");
}

kn_code kn_ocr_stream_end(struct kn_ocr_stream *stream, int64_t media_end_us, struct kn_error *err)
{
    (void)stream, (void)media_end_us;
    return kn_fail(err, KN_EBUG, "there is no stream of pictures here");
}

struct kn_ocr_facts kn_ocr_stream_facts(const struct kn_ocr_stream *stream)
{
    (void)stream;
    return (struct kn_ocr_facts){.confidence = NAN};
}

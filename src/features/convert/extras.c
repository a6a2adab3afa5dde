/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "features/convert/extras.h"

#include <string.h>

#include "base/cleanup.h"
#include "features/convert/formats.h"

static bool is_cover(const AVStream *st)
{
    return st->disposition & AV_DISPOSITION_ATTACHED_PIC && st->attached_pic.size > 0;
}

// Matroska keeps a cover as an attachment; as a track players would show it as a film.
static kn_code attachment_of(AVCodecParameters **out, AVDictionary **metadata, const AVStream *st,
                             struct kn_error *err)
{
    const AVPacket *picture = &st->attached_pic;
    AVCodecParameters *par = *out = avcodec_parameters_alloc();
    if (!par || !(par->extradata = av_mallocz((size_t)picture->size + AV_INPUT_BUFFER_PADDING_SIZE)))
        return kn_fail(err, KN_ENOMEM, "no memory for a cover");
    const bool is_png = st->codecpar->codec_id == AV_CODEC_ID_PNG;
    par->codec_type = AVMEDIA_TYPE_ATTACHMENT;
    par->codec_id = st->codecpar->codec_id;
    memcpy(par->extradata, picture->data, (size_t)picture->size);
    par->extradata_size = picture->size;
    // Players look for these names (matroska.org, "Attachments: cover art").
    if (av_dict_set(metadata, "filename", is_png ? "cover.png" : "cover.jpg", 0) < 0 ||
        av_dict_set(metadata, "mimetype", is_png ? "image/png" : "image/jpeg", 0) < 0)
        return kn_fail(err, KN_ENOMEM, "no memory for a cover");
    return KN_OK;
}

static kn_code cover_attach(struct kn_output_run *o, const AVStream *st, struct kn_error *err)
{
    AVCodecParameters *par = NULL;
    AVDictionary *metadata = NULL;
    int track = 0;
    kn_code rc = attachment_of(&par, &metadata, st, err);
    if (rc == KN_OK)
        rc = kn_mux_add(o->mux, NULL, 0, &track, err);
    if (rc == KN_OK)
        rc = kn_mux_describe(o->mux, track, par, st->time_base, (AVRational){0, 1},
                             (AVRational){0, 1}, metadata, err);
    av_dict_free(&metadata);
    avcodec_parameters_free(&par);
    return rc == KN_OK ? kn_mux_end(o->mux, track, KN_NO_TIME, err) : rc;
}

// A track that is whole before the first packet of the film.
static kn_code track_add(struct kn_output_run *o, const AVStream *st, struct kn_error *err)
{
    int track = 0;
    kn_code rc = kn_mux_add(o->mux, NULL, st->disposition, &track, err);
    if (rc == KN_OK)
        rc = kn_mux_describe(o->mux, track, st->codecpar, st->time_base, (AVRational){0, 1},
                             (AVRational){0, 1}, st->metadata, err);
    if (rc == KN_OK && is_cover(st)) {
        kn_auto(av_packet_free) AVPacket *picture = av_packet_clone(&st->attached_pic);
        if (!picture)
            return kn_fail(err, KN_ENOMEM, "no memory for a cover");
        picture->pts = picture->dts = 0;
        picture->time_base = st->time_base;
        rc = kn_mux_write(o->mux, track, picture, err);
    }
    return rc == KN_OK ? kn_mux_end(o->mux, track, KN_NO_TIME, err) : rc;
}

kn_code kn_extras_add(struct kn_output_run *o, struct kn_error *err)
{
    const struct kn_container_format *format = kn_container_format(o->spec->container);
    const struct kn_input *input = o->run->inputs[0].input;
    bool left_cover = false, left_attachment = false;
    for (unsigned i = 0; input && i < input->format->nb_streams; i++) {
        const AVStream *st = input->format->streams[i];
        const bool has_cover = is_cover(st) && o->spec->trans.keep_cover_art;
        const bool has_attachment = st->codecpar->codec_type == AVMEDIA_TYPE_ATTACHMENT &&
                                    o->spec->trans.keep_attachments;
        kn_code rc = KN_OK;
        if (has_cover && format->keeps_cover && format->keeps_attachments)
            rc = cover_attach(o, st, err);
        else if ((has_cover && format->keeps_cover) || (has_attachment && format->keeps_attachments))
            rc = track_add(o, st, err);
        left_cover |= has_cover && !format->keeps_cover;
        left_attachment |= has_attachment && !format->keeps_attachments;
        if (rc != KN_OK)
            return rc;
    }
    if (left_cover && json_array_append_new(
            o->notes, json_string("the cover was left out: the container has no place for one")) != 0)
        return kn_fail(err, KN_ENOMEM, "no memory for notes");
    if (left_attachment && json_array_append_new(
            o->notes,
            json_string("attachments were left out: the container has no place for them")) != 0)
        return kn_fail(err, KN_ENOMEM, "no memory for notes");
    return KN_OK;
}

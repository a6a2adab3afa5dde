#pragma once
/*
 * A stream of captions made of pictures, as cues: bitmap.h, bitmap_ink.h and ocr.h in one. The counterpart of
 * cue_packet.h for the codecs of which kn_caption_is_image() holds.
 *
 *     kn_ocr_stream_new(&stream, &list, &track, &options, &err);
 *     kn_ocr_stream_packet(stream, &packet, &err);           for each
 *     kn_ocr_stream_end(stream, media_end_us, &err);         once: the list is finished
 *
 * Pictures are kept and read at the end (ocr_pages.h), equal ones once. A picture of which nothing could be read is a cue that says "[?]", with a
 * warning: its time is worth something. Text in the upper third of the frame is a cue anchored there, and so is text in the
 * left or right third. Two lines of which one stands to the side are two speakers: each gets a dash.
 */
#include "engine/caption/cue.h"
#include "engine/caption/harvest.h"

struct kn_ocr_options {
    const char *language; // instead of the track's own; NULL: the track's
    const char *fallback; // when neither says one; NULL for none
    bool corrects;        // ocr_text.h
    bool forced_only;     // of its pictures those that are forced
    int n_threads;        // at most; at least 1
    // Asked and told while kn_ocr_stream_end() reads, the first by any thread; may be NULL.
    bool (*is_cancelled)(void *impl);
    void (*progress)(void *impl, double part);
    void *impl; // borrowed until kn_ocr_stream_free()
};

struct kn_ocr_facts {
    int64_t n_pictures; // shown
    int64_t n_read;     // by Tesseract: the others are equal to one of these
    int64_t n_unread;   // "[?]"
    double confidence;  // mean of all cues, 0 to 1; NAN when there is none
};

struct kn_ocr_stream;

/*
 *   list   borrowed until kn_ocr_stream_free(): cues are added to it
 *   track  borrowed during the call
 *
 * KN_EUNSUP as kn_ocr_language(), kn_ocr_new(); with `forced_only` not before a picture is to be read, and then
 * of the calls below
 */
kn_code kn_ocr_stream_new(struct kn_ocr_stream **out_stream, struct kn_cue_list *list,
                          const struct kn_harvest_track *track, const struct kn_ocr_options *options,
                          struct kn_error *err);
void kn_ocr_stream_free(struct kn_ocr_stream **stream);

/* Fails with KN_ELIMIT, KN_ENOMEM, KN_ECANCELED; a picture that cannot be read is a warning of the list. */
kn_code kn_ocr_stream_packet(struct kn_ocr_stream *stream, const struct kn_caption_packet *packet,
                             struct kn_error *err);
kn_code kn_ocr_stream_end(struct kn_ocr_stream *stream, int64_t media_end_us, struct kn_error *err);

struct kn_ocr_facts kn_ocr_stream_facts(const struct kn_ocr_stream *stream);

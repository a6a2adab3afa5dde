/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/caption/file.h"

#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/strings.h"
#include "engine/caption/ass.h"
#include "engine/caption/finish.h"
#include "engine/caption/sami.h"
#include "engine/caption/scc.h"
#include "engine/caption/small.h"
#include "engine/caption/srt.h"
#include "engine/caption/text.h"
#include "engine/caption/ttml.h"
#include "engine/caption/usf.h"
#include "engine/caption/vtt.h"

#define LOOK_AT_LINES 200 // for the first timing line of SubRip

static const struct {
    const char *name;
    enum kn_caption_format format;
} formats[] = {
    {"srt", KN_CAPTION_FORMAT_SRT},    {"subrip", KN_CAPTION_FORMAT_SRT},
    {"vtt", KN_CAPTION_FORMAT_WEBVTT}, {"webvtt", KN_CAPTION_FORMAT_WEBVTT},
    {"ass", KN_CAPTION_FORMAT_ASS},
};

enum kn_caption_format kn_caption_format_named(const char *name)
{
    for (size_t i = 0; name && i < KN_COUNT(formats); i++)
        if (kn_equal_nocase(name, formats[i].name))
            return formats[i].format;
    return KN_CAPTION_FORMAT_NONE;
}

const char *kn_caption_format_extension(enum kn_caption_format format)
{
    switch (format) {
    case KN_CAPTION_FORMAT_SRT: return "srt";
    case KN_CAPTION_FORMAT_WEBVTT: return "vtt";
    case KN_CAPTION_FORMAT_ASS: return "ass";
    case KN_CAPTION_FORMAT_NONE: break;
    }
    return "";
}

static bool is_named(const struct kn_caption_file *file, const char *extension)
{
    const char *dot = file->name ? strrchr(file->name, '.') : NULL;
    return dot && kn_equal_nocase(dot + 1, extension);
}

static bool has_timing(const char *text, size_t n)
{
    struct kn_lines lines = kn_lines_of(text, n);
    struct kn_line line;
    struct kn_srt_timing timing;
    while (lines.number < LOOK_AT_LINES && kn_lines_next(&lines, &line))
        if (kn_srt_timing(line, &timing))
            return true;
    return false;
}

// By its contents; the name decides where they could be two things.
static enum kn_caption_codec codec_find(const char *text, size_t n, const struct kn_caption_file *file)
{
    const struct kn_line all = kn_line_trim((struct kn_line){.text = text, .n = n});
    const struct kn_line head = {.text = all.text, .n = all.n < 4096 ? all.n : 4096};
    if (kn_line_begins(all, "WEBVTT") || is_named(file, "vtt"))
        return KN_CAPTION_WEBVTT;
    if (kn_line_begins(all, "[Script Info]") || is_named(file, "ass") || is_named(file, "ssa") ||
        kn_line_find(head, "[V4") || kn_line_find(head, "\nDialogue:"))
        return KN_CAPTION_ASS;
    if (kn_line_begins(all, "Scenarist_SCC"))
        return KN_CAPTION_CEA608;
    if (kn_line_begins(all, "<") && kn_line_find(head, "<USFSubtitles"))
        return KN_CAPTION_USF;
    if (kn_line_begins(all, "<") && (kn_line_find(head, "<tt") || kn_line_find(head, ":tt ")))
        return KN_CAPTION_TTML;
    return has_timing(text, n) || is_named(file, "srt") ? KN_CAPTION_SRT_TEXT : KN_CAPTION_SMALL;
}

// One language of several; a file of one is read as it is.
static kn_code small_read(struct kn_cue_list *list, const struct kn_buf *text, const struct kn_caption_file *file,
                          struct kn_error *err)
{
    struct kn_sami_class classes[KN_MAX_SAMI_CLASSES];
    const char *at = kn_buf_text(text);
    const size_t n = kn_sami_is_one(at, text->len) ? kn_sami_classes(at, text->len, classes) : 0;
    const struct kn_sami_class *class = file->stream >= 0 && (size_t)file->stream < n ? &classes[file->stream] : NULL;
    struct kn_caption_track *track = &list->track;
    if (class && class->language[0])
        (void)kn_copy(track->language, sizeof(track->language), class->language);
    if (class && class->title[0])
        track->title = kn_arena_strdup(&list->arena, class->title);
    if (!class || n == 1)
        return kn_small_read(list, at, text->len, file->name, err);
    kn_auto(kn_buf_clear) struct kn_buf own = {0};
    kn_sami_keep(&own, at, text->len, class->name);
    return kn_buf_ok(&own) ? kn_small_read(list, kn_buf_text(&own), own.len, file->name, err)
                           : kn_fail(err, KN_ENOMEM, "no memory for captions");
}

static kn_code text_read(struct kn_cue_list *list, const struct kn_buf *text,
                         const struct kn_caption_file *file, struct kn_error *err)
{
    const char *at = kn_buf_text(text);
    list->codec = codec_find(at, text->len, file);
    switch (list->codec) {
    case KN_CAPTION_WEBVTT: return kn_vtt_read(list, at, text->len, err);
    case KN_CAPTION_ASS: return kn_ass_read(list, at, text->len, err);
    case KN_CAPTION_CEA608: return kn_scc_read(list, at, text->len, err);
    case KN_CAPTION_TTML: return kn_ttml_read(list, at, text->len, err);
    case KN_CAPTION_USF: return kn_usf_read(list, at, text->len, err);
    case KN_CAPTION_SRT_TEXT: return kn_srt_read(list, at, text->len, err);
    default: return small_read(list, text, file, err);
    }
}

int kn_caption_count(const void *bytes, size_t n, const struct kn_caption_file *file)
{
    struct kn_sami_class classes[KN_MAX_SAMI_CLASSES];
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    char encoding[40];
    if (n > KN_MAX_CAPTION_BYTES || !kn_sami_is_one(bytes, n) ||
        kn_caption_decode(&text, bytes, n, file->language, encoding, NULL) != KN_OK ||
        codec_find(kn_buf_text(&text), text.len, file) != KN_CAPTION_SMALL)
        return 1;
    const size_t n_classes = kn_sami_classes(kn_buf_text(&text), text.len, classes);
    return n_classes > 1 ? (int)n_classes : 1;
}

kn_code kn_caption_read(struct kn_cue_list *list, const void *bytes, size_t n,
                        const struct kn_caption_file *file, struct kn_error *err)
{
    if (n > KN_MAX_CAPTION_BYTES)
        return kn_fail(err, KN_ELIMIT, "more than %d MiB of captions", KN_MAX_CAPTION_BYTES >> 20);
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    char encoding[40];
    kn_code rc = kn_caption_decode(&text, bytes, n, file->language, encoding, err);
    if (rc != KN_OK)
        return rc;
    list->encoding = kn_arena_strdup(&list->arena, encoding);
    rc = text_read(list, &text, file, err);
    if (rc != KN_OK)
        return rc;
    if (!list->track.codec)
        list->track.codec = list->codec;
    kn_cue_list_finish(list, KN_NO_TIME);
    return KN_OK;
}

kn_code kn_caption_write(struct kn_buf *out, const struct kn_cue_list *list,
                         enum kn_caption_format format, const struct kn_caption_write_options *options,
                         struct kn_error *err)
{
    switch (format) {
    case KN_CAPTION_FORMAT_SRT: kn_srt_write(out, list, options); break;
    case KN_CAPTION_FORMAT_WEBVTT: kn_vtt_write(out, list, options); break;
    case KN_CAPTION_FORMAT_ASS: kn_ass_write(out, list, options); break;
    case KN_CAPTION_FORMAT_NONE: return kn_fail(err, KN_EINVAL, "no format to write captions in");
    }
    return kn_buf_ok(out) ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for a caption file");
}

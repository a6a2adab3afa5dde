#pragma once
/*
 * Captions from text to text, for the tests: read a whole file, write it in a format, compare. Include
 * cmocka.h first.
 */
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "engine/caption/file.h"

/* Read `text` as the file `name`; the list is the caller's to clear. */
static inline void caption_read(struct kn_cue_list *list, const char *text, const char *name)
{
    struct kn_error err = {0};
    const struct kn_caption_file file = {.name = name};
    if (kn_caption_read(list, text, strlen(text), &file, &err) != KN_OK)
        fail_msg("'%s' was not read: %s", name, err.message);
}

/* What `list` is in `format` ("srt", "webvtt", "ass"), with LF for its line ends. */
static inline void caption_is(const struct kn_cue_list *list, const char *format, const char *expected)
{
    kn_auto(kn_buf_clear) struct kn_buf out = {0};
    const struct kn_caption_write_options options = {.line_end = KN_LINE_END_LF};
    assert_int_equal(kn_caption_write(&out, list, kn_caption_format_named(format), &options, NULL), KN_OK);
    assert_string_equal(kn_buf_text(&out), expected);
}

static inline void caption_becomes(const char *text, const char *name, const char *format,
                                   const char *expected)
{
    kn_auto(kn_cue_list_clear) struct kn_cue_list list = {0};
    caption_read(&list, text, name);
    caption_is(&list, format, expected);
}

/* The text of one cue without its looks; ruby as "base(annotation)". */
static inline void caption_says(struct kn_cue_list *list, size_t index, const char *expected)
{
    assert_in_range(index, 0, list->n_cues - 1);
    const struct kn_cue *cue = &list->cues[index];
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    for (size_t i = 0; i < cue->n_runs; i++) {
        kn_buf_puts(&text, cue->runs[i].text);
        if (cue->runs[i].ruby)
            kn_buf_printf(&text, "(%s)", cue->runs[i].ruby);
    }
    assert_string_equal(kn_buf_text(&text), expected);
}

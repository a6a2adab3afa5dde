#pragma once
/*
 * What the targets of caption readers share: what was read is finished, written in every format and
 * worked on; what was written is read again. Nothing of it may fail but for want of memory.
 */
#include <assert.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/strings.h"
#include "engine/caption/edit.h"
#include "engine/caption/file.h"
#include "engine/caption/finish.h"

static inline void caption_write_all(struct kn_cue_list *list)
{
    static const char *const formats[] = {"srt", "webvtt", "ass"};
    kn_cue_list_finish(list, KN_NO_TIME);
    for (size_t i = 1; i < list->n_cues; i++)
        assert(list->cues[i - 1].start_us <= list->cues[i].start_us);
    for (size_t i = 0; i < list->n_cues; i++)
        assert(list->cues[i].is_comment || list->cues[i].end_us > list->cues[i].start_us);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < KN_COUNT(formats); i++) {
            kn_auto(kn_buf_clear) struct kn_buf out = {0};
            kn_auto(kn_cue_list_clear) struct kn_cue_list again = {0};
            char name[16];
            const struct kn_caption_write_options options = {.line_end = KN_LINE_END_LF, .marks_rtl = true};
            const struct kn_caption_file file = {.name = name};
            (void)snprintf(name, sizeof(name), "a.%s", i == 1 ? "vtt" : formats[i]);
            const kn_code rc = kn_caption_write(&out, list, kn_caption_format_named(formats[i]), &options, NULL);
            assert(rc == KN_OK);
            // An SRT file without cues is no SRT file.
            if (i > 0 || out.len)
                (void)kn_caption_read(&again, kn_buf_text(&out), out.len, &file, NULL);
        }
        (void)kn_cue_list_shift(list, -KN_SECOND);
        kn_cue_list_scale(list, 1.001);
        (void)kn_cue_list_remove_hearing_impaired(list, NULL, NULL, NULL);
        kn_cue_list_finish(list, KN_NO_TIME);
    }
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/caption/scc.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/encode.h"
#include "engine/caption/cea608.h"
#include "engine/caption/text.h"

// Time codes count 30 frames a second of 1001/30000 s. With ';' (drop frame) they skip two numbers a
// minute, but not every tenth, and so stay with the clock.
static int64_t frame_us(int64_t frame)
{
    return frame * 1001000 / 30;
}

static bool time_code(const char *text, int64_t *out_frame, int *out_n)
{
    int h, m, s, f, n = 0;
    char mark;
    if (sscanf(text, " %2d:%2d:%2d%c%2d%n", &h, &m, &s, &mark, &f, &n) != 5 || h < 0 || m < 0 || s < 0 || f < 0)
        return false;
    if (mark != ':' && mark != ';' && mark != '.' && mark != ',')
        return false;
    *out_frame = ((int64_t)h * 3600 + m * 60 + s) * 30 + f;
    if (mark != ':') {
        const int64_t minutes = (int64_t)h * 60 + m;
        *out_frame -= 2 * (minutes - minutes / 10);
    }
    *out_n = n;
    return true;
}

static kn_code line_read(struct kn_cue_list *list, struct kn_cea608 *decoder, struct kn_line line, int number,
                         bool *has_codes, int64_t *out_end_us, struct kn_error *err)
{
    char head[32];
    int64_t frame;
    int n = 0;
    kn_code rc = KN_OK;
    (void)snprintf(head, sizeof(head), "%.*s", (int)(line.n < 31 ? line.n : 31), line.text);
    if (!time_code(head, &frame, &n)) {
        if (!kn_line_is_blank(line) && !kn_line_begins(line, "Scenarist"))
            kn_cue_list_warn(list, number, "no time code: '%s'", head);
        return KN_OK;
    }
    for (size_t i = (size_t)n; rc == KN_OK && i < line.n; i++) {
        uint8_t pair[2];
        char word[5];
        if (kn_caption_is_space(line.text[i]))
            continue;
        (void)snprintf(word, sizeof(word), "%.*s", (int)(line.n - i < 4 ? line.n - i : 4), line.text + i);
        if (!kn_unhex(pair, 2, word)) {
            kn_cue_list_warn(list, number, "'%s' is no pair of bytes", word);
            return KN_OK;
        }
        rc = kn_cea608_pair(decoder, 1, pair[0], pair[1], frame_us(frame), err);
        *out_end_us = frame_us(++frame);
        *has_codes = true;
        i += 3;
    }
    return rc;
}

static kn_code channel_read(struct kn_cue_list *list, int channel, const char *text, size_t n,
                            unsigned *out_channels, struct kn_error *err)
{
    kn_auto(kn_cea608_free) struct kn_cea608 *decoder = kn_cea608_new(list, channel);
    struct kn_lines lines = kn_lines_of(text, n);
    struct kn_line line;
    bool has_codes = false;
    int64_t end_us = KN_NO_TIME;
    kn_code rc = decoder ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for captions");
    while (rc == KN_OK && kn_lines_next(&lines, &line))
        rc = line_read(list, decoder, line, lines.number, &has_codes, &end_us, err);
    if (rc == KN_OK && !has_codes)
        return kn_fail(err, KN_EMEDIA, "no line of a time code and caption codes in it");
    if (rc == KN_OK) {
        *out_channels = kn_cea608_channels(decoder);
        rc = kn_cea608_end(decoder, KN_NO_TIME, err);
    }
    return rc;
}

kn_code kn_scc_read(struct kn_cue_list *list, const char *text, size_t n, struct kn_error *err)
{
    unsigned channels = 0;
    list->codec = KN_CAPTION_CEA608;
    list->track.channel = 1;
    kn_code rc = channel_read(list, 1, text, n, &channels, err);
    if (rc == KN_OK && !list->n_cues && (channels & 2)) {
        list->track.channel = 2;
        rc = channel_read(list, 2, text, n, &channels, err);
    }
    return rc;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/caption/write.h"

#include <string.h>

#include "base/cleanup.h"
#include "engine/caption/text.h"

// Layers of one text: shadow, border, glow, fill; typesetters use fewer than this.
#define MAX_LAYERS 16

bool kn_caption_has_language(const struct kn_caption_track *track)
{
    for (const char *at = track->language; *at; at++)
        if (!((*at | 32) >= 'a' && (*at | 32) <= 'z') && !(*at >= '0' && *at <= '9') && *at != '-')
            return false;
    return track->language[0] && strcmp(track->language, "und") != 0;
}

bool kn_cue_is_empty(const struct kn_cue *cue)
{
    for (size_t i = 0; i < cue->n_runs; i++)
        for (const char *at = cue->runs[i].text; *at; at++)
            if (!kn_caption_is_space(*at))
                return false;
    return true;
}

static bool text_equal(const struct kn_cue *a, const struct kn_cue *b)
{
    const struct kn_cue *cues[2] = {a, b};
    const char *at[2] = {"", ""};
    size_t next[2] = {0, 0};
    for (;;) {
        for (int k = 0; k < 2; k++)
            while (!*at[k] && next[k] < cues[k]->n_runs)
                at[k] = cues[k]->runs[next[k]++].text;
        if (*at[0] != *at[1])
            return false;
        if (!*at[0])
            return true;
        at[0]++;
        at[1]++;
    }
}

bool kn_cue_is_repeat(const struct kn_cue_list *list, size_t index)
{
    const struct kn_cue *cue = &list->cues[index];
    for (size_t back = 1; back <= MAX_LAYERS && back <= index; back++) {
        const struct kn_cue *before = &list->cues[index - back];
        if (before->start_us != cue->start_us)
            return false;
        if (before->end_us == cue->end_us && !before->is_comment && text_equal(before, cue))
            return true;
    }
    return false;
}

// Which third of the frame: 0, 1 or 2.
static int third(double fraction)
{
    return fraction < 1.0 / 3 ? 0 : fraction < 2.0 / 3 ? 1 : 2;
}

int kn_cue_anchor(const struct kn_cue *cue)
{
    const struct kn_cue_place *place = &cue->place;
    const int said = place->anchor >= 1 && place->anchor <= 9 ? place->anchor : 2;
    int row = (said - 1) / 3, column = (said - 1) % 3; // rows count from the bottom
    if (!isnan(place->y))
        row = 2 - third(place->y);
    if (!isnan(place->x) && column == 1)
        column = third(place->x);
    return row * 3 + column + 1;
}

void kn_caption_write_end(struct kn_buf *out, const struct kn_buf *text, enum kn_line_end line_end,
                          bool has_mark)
{
    if (has_mark)
        kn_buf_puts(out, "\xEF\xBB\xBF");
    if (line_end != KN_LINE_END_CRLF) {
        kn_buf_add(out, kn_buf_text(text), text->len);
    } else {
        for (const char *at = kn_buf_text(text); *at;) {
            const size_t n = strcspn(at, "\n");
            kn_buf_add(out, at, n);
            if (at[n])
                kn_buf_puts(out, "\r\n");
            at += n + (at[n] ? 1 : 0);
        }
    }
    out->is_broken = out->is_broken || text->is_broken;
}

// Writes a number before `end`, padded with zeros. Its first digit.
static char *digits_write(char *end, uint64_t number, int n_digits)
{
    for (int n = 0; n < n_digits || number; n++, number /= 10)
        *--end = (char)('0' + number % 10);
    return end;
}

void kn_caption_write_time(struct kn_buf *out, int64_t us, int hour_digits, char separator)
{
    // By hand: printf() was the dearest part of writing a film's captions.
    const uint64_t ms = us <= 0 ? 0 : (uint64_t)(us / 1000 + (us % 1000 >= 500));
    const struct {
        uint64_t value;
        int n_digits;
        char before; // '\0' for none
    } parts[] = {{ms % 1000, 3, separator}, {ms / 1000 % 60, 2, ':'}, {ms / 60000 % 60, 2, ':'},
                 {ms / 3600000, hour_digits, '\0'}};
    char text[40]; // 20 digits of hours at most, and 10 more characters
    char *at = text + sizeof(text);
    for (size_t i = 0; i < KN_COUNT(parts); i++) {
        at = digits_write(at, parts[i].value, parts[i].n_digits);
        if (parts[i].before)
            *--at = parts[i].before;
    }
    kn_buf_add(out, at, (size_t)(text + sizeof(text) - at));
}

void kn_caption_write_times(struct kn_buf *out, const struct kn_cue *cue, char separator)
{
    const int64_t first_us = cue->start_us + KN_SECOND / 1000;
    kn_caption_write_time(out, cue->start_us, 2, separator);
    kn_buf_puts(out, " --> ");
    kn_caption_write_time(out, cue->end_us > first_us ? cue->end_us : first_us, 2, separator);
}

void kn_caption_write_number(struct kn_buf *out, unsigned number)
{
    char text[20];
    char *const end = text + sizeof(text), *at = digits_write(end, number, 1);
    kn_buf_add(out, at, (size_t)(end - at));
}

static bool is_rtl(uint32_t c)
{
    return (c >= 0x590 && c <= 0x8FF) || (c >= 0xFB1D && c <= 0xFDFF) || (c >= 0xFE70 && c <= 0xFEFC);
}

// Whether a line begins with what takes its direction from the text beside it.
static bool is_mark(const char *line, size_t n)
{
    static const uint32_t marks[] = {0xAB, 0xBB, 0x2010, 0x2013, 0x2014, 0x2018, 0x2019, 0x201C, 0x201D, 0x2026, 0x266A, 0x266B};
    size_t step;
    const uint32_t c = kn_caption_character(line, n, &step);
    bool is_found = c < 0x80 && strchr("-.,!?\"'([{:;#*", (int)c);
    for (size_t i = 0; !is_found && i < KN_COUNT(marks); i++)
        is_found = c == marks[i];
    return is_found;
}

void kn_caption_write_rtl(struct kn_buf *out, const char *line,
                          const struct kn_caption_write_options *options)
{
    const size_t n = options->marks_rtl ? strcspn(line, "\n") : 0;
    if (!n || !is_mark(line, n))
        return;
    for (size_t i = 0, step; i < n; i += step) {
        const uint32_t c = kn_caption_character(line + i, n - i, &step);
        if (is_rtl(c)) {
            kn_caption_put(out, 0x200F);
            return;
        }
        if ((c | 32) >= 'a' && (c | 32) <= 'z')
            return; // the line is Latin
    }
}

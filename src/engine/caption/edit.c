/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/caption/edit.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "engine/caption/text.h"

#define MAX_SIMULTANEOUS 16 // cues of one start that are looked at for one of the same end
#define MAX_JOINED_RUNS 64  // each join copies what there is
#define MAX_NAME_BYTES 40 // "MAN ON LOUDSPEAKER:"; longer ones are sentences

/* ---- time ---- */
// WebVTT's payload holds times of its own; it is written anew from the runs.
static void raw_forget(const struct kn_cue_list *list, struct kn_cue *cue)
{
    for (size_t i = 0; !kn_caption_is_ass(list->codec) && i < cue->n_runs; i++)
        if (cue->runs[i].karaoke_us != KN_NO_TIME)
            cue->raw = cue->is_comment ? cue->raw : NULL;
}

size_t kn_cue_list_shift(struct kn_cue_list *list, int64_t offset_us)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->n_cues; i++) {
        struct kn_cue *cue = &list->cues[i];
        const bool has_end = cue->end_us != KN_NO_TIME;
        cue->start_us += offset_us;
        cue->end_us += has_end ? offset_us : 0;
        raw_forget(list, cue);
        if (!cue->is_comment && has_end && cue->end_us <= 0)
            continue;
        cue->start_us = cue->start_us < 0 ? 0 : cue->start_us;
        if (has_end && cue->end_us < cue->start_us)
            cue->end_us = cue->start_us;
        if (kept++ != i)
            list->cues[kept - 1] = *cue;
    }
    const size_t gone = list->n_cues - kept;
    list->n_cues = kept;
    return gone;
}

void kn_cue_list_scale(struct kn_cue_list *list, double factor)
{
    for (size_t i = 0; i < list->n_cues; i++) {
        struct kn_cue *cue = &list->cues[i];
        cue->start_us = (int64_t)llround((double)cue->start_us * factor);
        if (cue->end_us != KN_NO_TIME)
            cue->end_us = (int64_t)llround((double)cue->end_us * factor);
        raw_forget(list, cue);
        for (size_t k = 0; k < cue->n_runs; k++)
            if (cue->runs[k].karaoke_us != KN_NO_TIME)
                cue->runs[k].karaoke_us = (int64_t)llround((double)cue->runs[k].karaoke_us * factor);
    }
}

// Higher on the frame, whatever of its place is said.
static double height_of(const struct kn_cue *cue)
{
    const int row = cue->place.anchor > 6 ? 0 : cue->place.anchor > 3 ? 1 : 2;
    return isnan(cue->place.y) ? (row + 0.5) / 3 : cue->place.y;
}

static bool place_equal(const struct kn_cue_place *a, const struct kn_cue_place *b)
{
    return a->anchor == b->anchor && isnan(a->x) && isnan(a->y) && isnan(b->x) && isnan(b->y);
}

// `first` says what `second` says, too, on further lines.
static bool cue_join(struct kn_cue_list *list, struct kn_cue *first, const struct kn_cue *second)
{
    const bool is_below = height_of(second) >= height_of(first);
    const struct kn_cue *upper = is_below ? first : second, *lower = is_below ? second : first;
    struct kn_cue_run *runs = kn_arena_alloc(&list->arena, (first->n_runs + second->n_runs + 1) * sizeof(*runs));
    if (!runs)
        return false;
    memcpy(runs, upper->runs, upper->n_runs * sizeof(*runs));
    runs[upper->n_runs] = (struct kn_cue_run){.text = "\n", .karaoke_us = KN_NO_TIME};
    memcpy(runs + upper->n_runs + 1, lower->runs, lower->n_runs * sizeof(*runs));
    if (!place_equal(&first->place, &second->place))
        first->place = (struct kn_cue_place){.x = NAN, .y = NAN, .width = NAN};
    first->n_runs += second->n_runs + 1;
    first->runs = runs;
    first->raw = first->settings = NULL;
    first->is_forced = first->is_forced && second->is_forced;
    return true;
}

kn_code kn_cue_list_join_simultaneous(struct kn_cue_list *list, struct kn_error *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->n_cues; i++) {
        const struct kn_cue *cue = &list->cues[i];
        size_t before = kept;
        while (before > 0 && list->cues[before - 1].start_us == cue->start_us && kept - before < MAX_SIMULTANEOUS &&
               (list->cues[before - 1].end_us != cue->end_us || list->cues[before - 1].is_comment))
            before--;
        const bool is_joined = before > 0 && list->cues[before - 1].start_us == cue->start_us &&
            list->cues[before - 1].end_us == cue->end_us && !cue->is_comment &&
            !list->cues[before - 1].is_comment && list->cues[before - 1].n_runs < MAX_JOINED_RUNS;
        if (is_joined && !cue_join(list, &list->cues[before - 1], cue))
            return kn_fail(err, KN_ENOMEM, "no memory for a cue");
        if (!is_joined && kept++ != i)
            list->cues[kept - 1] = *cue;
    }
    list->n_cues = kept;
    return KN_OK;
}

void kn_cue_list_keep_forced(struct kn_cue_list *list)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->n_cues; i++)
        if (list->cues[i].is_forced && kept++ != i)
            list->cues[kept - 1] = list->cues[i];
    list->n_cues = kept;
}

/* ---- what is said ---- */
// The text of a cue, and which of its bytes stay.
struct draft {
    struct kn_buf text;
    bool *stays; // owned
};

static size_t bracket_at(const char *text, size_t n, bool is_open)
{
    static const char *const pairs[][2] = {
        {"[", "]"}, {"(", ")"}, {"\xEF\xBC\x88", "\xEF\xBC\x89"}, {"\xE3\x80\x90", "\xE3\x80\x91"},
        {"\xEF\xBC\xBB", "\xEF\xBC\xBD"}, {"\xE3\x80\x94", "\xE3\x80\x95"},
    };
    for (size_t i = 0; i < KN_COUNT(pairs); i++) {
        const char *mark = pairs[i][is_open ? 0 : 1];
        if (n >= strlen(mark) && memcmp(text, mark, strlen(mark)) == 0)
            return strlen(mark);
    }
    return 0;
}

// How long blanks and the colon after them are; 0 when there is no colon.
static size_t colon_at(const char *text, size_t n)
{
    size_t at = 0;
    while (at < n && text[at] == ' ')
        at++;
    if (at < n && text[at] == ':')
        return at + 1;
    return n - at >= 3 && memcmp(text + at, "\xEF\xBC\x9A", 3) == 0 ? at + 3 : 0;
}

static void brackets_mark(struct draft *draft)
{
    const char *text = draft->text.data;
    size_t depth = 0, from = 0;
    bool has_words = false; // in this line, so far and outside of brackets
    for (size_t i = 0; i < draft->text.len;) {
        const size_t open = bracket_at(text + i, draft->text.len - i, true);
        const size_t close = bracket_at(text + i, draft->text.len - i, false);
        if (open && depth++ == 0)
            from = i;
        if (close && depth && --depth == 0) {
            for (size_t k = from; k < i + close; k++)
                draft->stays[k] = text[k] == '\n'; // what follows it stays on a line of its own
            if (!has_words) // "[JOHN]: Hello"
                memset(draft->stays + i + close, 0, colon_at(text + i + close, draft->text.len - i - close));
        }
        if (text[i] == '\n')
            has_words = false;
        else if (depth == 0 && !close && !strchr(" -", text[i]))
            has_words = true;
        i += open ? open : close ? close : 1;
    }
}

static bool is_note(const char *text, size_t n)
{
    return n >= 3 && (memcmp(text, "\xE2\x99\xAA", 3) == 0 || memcmp(text, "\xE2\x99\xAB", 3) == 0);
}

// The first byte of a line that stays and is neither blank nor dash.
static size_t line_words(const struct draft *draft, size_t from, size_t to)
{
    while (from < to && (!draft->stays[from] || kn_caption_is_space(draft->text.data[from]) ||
                         draft->text.data[from] == '-' || draft->text.data[from] == '\xC2'))
        from += draft->text.data[from] == '\xC2' && from + 1 < to && draft->text.data[from + 1] == '\xA0' ? 2 : 1;
    return from < to ? from : to;
}

static bool is_upper(uint32_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 0xC0 && c <= 0xDE && c != 0xD7) || (c >= 0x410 && c <= 0x42F) ||
        (c >= 0x391 && c <= 0x3A9);
}

static bool is_lower(uint32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 0xDF && c <= 0xFF && c != 0xF7) || (c >= 0x430 && c <= 0x44F) ||
        (c >= 0x3B1 && c <= 0x3C9);
}

// "JOHN:" and "MAN 2:" at `from`: the length with the colon, 0 when it is no name.
static size_t name_at(const struct draft *draft, size_t from, size_t to)
{
    size_t n_upper = 0;
    for (size_t i = from, step; i < to && i - from < MAX_NAME_BYTES; i += step) {
        const uint32_t c = kn_caption_character(draft->text.data + i, to - i, &step);
        if (!draft->stays[i])
            continue; // "JOHN (laughing):"
        if (c == ':')
            return n_upper >= 2 && (i + 1 >= to || kn_caption_is_space(draft->text.data[i + 1])) ? i + 1 - from : 0;
        if (is_lower(c) || (c < 0x80 && !is_upper(c) && !strchr(" 0123456789.'-#&", (int)c)))
            return 0;
        n_upper += is_upper(c);
    }
    return 0;
}

static size_t line_end(const struct draft *draft, size_t from)
{
    const char *end = memchr(draft->text.data + from, '\n', draft->text.len - from);
    return end ? (size_t)(end - draft->text.data) : draft->text.len;
}

static void lines_mark(struct draft *draft)
{
    bool is_song = false;
    for (size_t from = 0; from < draft->text.len;) {
        const size_t to = line_end(draft, from), words = line_words(draft, from, to);
        const size_t name = name_at(draft, words, to);
        memset(draft->stays + words, 0, name);
        const size_t song = line_words(draft, words, to);
        is_song = is_song || is_note(draft->text.data + song, to - song);
        if (is_song) {
            memset(draft->stays + from, 0, to - from);
            size_t last = to;
            while (last > from && kn_caption_is_space(draft->text.data[last - 1]))
                last--;
            // A note at the line's end ends the song; one alone on a line is all of it.
            is_song = !(last >= from + 3 && is_note(draft->text.data + last - 3, 3)) && last > song + 3;
        }
        from = to + 1;
    }
}

// Spaces that stood on both sides of what went, and before it at a line's ends.
static void spaces_mark(struct draft *draft)
{
    for (size_t from = 0; from < draft->text.len;) {
        const size_t to = line_end(draft, from);
        bool was_changed = false, is_after_space = true;
        size_t last = from; // the byte before that stays
        for (size_t i = from; i < to; i++)
            was_changed = was_changed || !draft->stays[i];
        for (size_t i = from; was_changed && i < to; i++) {
            const bool is_space = draft->text.data[i] == ' ';
            if (!draft->stays[i])
                continue;
            if (is_space && (is_after_space || (last == from && i > last + 1 && draft->text.data[last] == '-'))) {
                draft->stays[i] = false;
                continue;
            }
            if (i > last + 1 && strchr(",.", draft->text.data[i]) && draft->text.data[last] == ' ')
                draft->stays[last] = false; // "Hello (laughs), friend"
            is_after_space = is_space;
            last = i;
        }
        for (size_t i = to; was_changed && i > from; i--) {
            if (draft->stays[i - 1] && draft->text.data[i - 1] != ' ')
                break;
            draft->stays[i - 1] = false;
        }
        from = to + 1;
    }
}

static size_t dash_at(const char *text, size_t n)
{
    static const char *const dashes[] = {"-", "\xE2\x80\x90", "\xE2\x80\x93", "\xE2\x80\x94"};
    for (size_t i = 0; i < KN_COUNT(dashes); i++)
        if (n >= strlen(dashes[i]) && memcmp(text, dashes[i], strlen(dashes[i])) == 0)
            return strlen(dashes[i]);
    return 0;
}

static bool has_words(const struct draft *draft, size_t from, size_t to)
{
    static const uint32_t marks[] = {0xA0,   0x2010, 0x2013, 0x2014, 0x2026, 0x201C, 0x201D, 0x2018, 0x2019,
                                     0x3000, 0x3001, 0x3002, 0xFF01, 0xFF0C, 0xFF0E, 0xFF1A, 0xFF1F};
    for (size_t i = from, step; i < to; i += step) {
        const uint32_t c = kn_caption_character(draft->text.data + i, to - i, &step);
        bool is_mark = !draft->stays[i] || (c < 0x80 && strchr(" -.,;:!?\"'\t", (int)c));
        for (size_t k = 0; !is_mark && k < KN_COUNT(marks); k++)
            is_mark = c == marks[k];
        if (!is_mark)
            return true;
    }
    return false;
}

// Lines without words go with their ends; a single dash that is left goes too.
static void rest_mark(struct draft *draft)
{
    size_t n_lines = 0, n_before = 0, n_dashes = 0, dash_from = 0, dash = 0;
    for (size_t from = 0; from < draft->text.len;) {
        const size_t to = line_end(draft, from);
        const bool was_changed = memchr(draft->stays + from, 0, to - from) != NULL;
        size_t at = from;
        n_before += dash_at(draft->text.data + from, to - from) > 0;
        if (was_changed && !has_words(draft, from, to)) {
            memset(draft->stays + from, 0, to - from + (to < draft->text.len ? 1 : 0));
            if (to == draft->text.len && from > 0)
                draft->stays[from - 1] = false;
        } else {
            while (at < to && !draft->stays[at])
                at++;
            const size_t here = dash_at(draft->text.data + at, to - at);
            n_dashes += here > 0;
            if (n_lines++ == 0) {
                dash_from = at;
                dash = here;
            }
        }
        from = to + 1;
    }
    if (n_dashes == 1 && n_before >= 2 && dash) { // of whoever speaks first: one more would need it
        memset(draft->stays + dash_from, 0, dash);
        for (size_t i = dash_from + dash; i < draft->text.len && draft->text.data[i] == ' '; i++)
            draft->stays[i] = false;
    }
}

static bool is_changed(const struct draft *draft)
{
    return memchr(draft->stays, 0, draft->text.len) != NULL;
}

// The runs with what stays of them.
static bool runs_cut(struct kn_cue_list *list, struct kn_cue *cue, const struct draft *draft)
{
    size_t at = 0, kept = 0;
    for (size_t i = 0; i < cue->n_runs; i++) {
        struct kn_cue_run run = cue->runs[i];
        const size_t n = strlen(run.text);
        char *text = kn_arena_alloc(&list->arena, n + 1);
        size_t length = 0;
        if (!text)
            return false;
        for (size_t k = 0; k < n; k++, at++)
            if (draft->stays[at])
                text[length++] = run.text[k];
        run.text = text;
        if (length)
            cue->runs[kept++] = run;
    }
    cue->n_runs = kept;
    cue->raw = NULL;
    return true;
}

static kn_code cue_cut(struct kn_cue_list *list, struct kn_cue *cue, bool *out_changed, struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    *out_changed = false;
    for (size_t i = 0; i < cue->n_runs; i++)
        kn_buf_puts(&text, cue->runs[i].text);
    kn_auto(kn_free) bool *stays = malloc(text.len + 1);
    if (!stays || !kn_buf_ok(&text))
        return kn_fail(err, KN_ENOMEM, "no memory for a cue");
    if (!text.len)
        return KN_OK;
    memset(stays, 1, text.len + 1);
    struct draft draft = {.text = text, .stays = stays};
    brackets_mark(&draft);
    lines_mark(&draft);
    if (!is_changed(&draft))
        return KN_OK;
    spaces_mark(&draft);
    rest_mark(&draft);
    *out_changed = true;
    return runs_cut(list, cue, &draft) ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for a cue");
}

kn_code kn_cue_list_remove_hearing_impaired(struct kn_cue_list *list, size_t *out_changed,
                                            size_t *out_dropped, struct kn_error *err)
{
    size_t kept = 0, n_changed = 0;
    kn_code rc = KN_OK;
    for (size_t i = 0; rc == KN_OK && i < list->n_cues; i++) {
        bool has_changed = false;
        if (!list->cues[i].is_comment)
            rc = cue_cut(list, &list->cues[i], &has_changed, err);
        if (has_changed && list->cues[i].n_runs == 0)
            continue;
        n_changed += has_changed;
        if (kept++ != i)
            list->cues[kept - 1] = list->cues[i];
    }
    if (rc != KN_OK)
        return rc;
    if (out_changed)
        *out_changed = n_changed;
    if (out_dropped)
        *out_dropped = list->n_cues - kept;
    list->n_cues = kept;
    return KN_OK;
}

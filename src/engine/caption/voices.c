/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/caption/voices.h"

#include <string.h>

#include "base/strings.h"
#include "engine/caption/text.h"

// Names in one field: more speakers than anyone puts into one caption.
#define MAX_NAMES 16

static bool is_blank(const char *text)
{
    return text[strspn(text, " \n")] == '\0';
}

/* ---- to names ---- */
bool kn_voices_differ(const struct kn_cue *cue)
{
    const char *first = NULL;
    bool is_first = true, has_voice = false, differ = false;
    for (size_t i = 0; i < cue->n_runs; i++) {
        const struct kn_cue_run *run = &cue->runs[i];
        if (is_blank(run->text))
            continue;
        differ = differ || (!is_first && !kn_equal(run->voice, first) && (run->voice || first));
        has_voice = has_voice || run->voice;
        first = is_first ? run->voice : first;
        is_first = false;
    }
    return has_voice && differ;
}

size_t kn_voices_names(struct kn_buf *out, const struct kn_cue *cue)
{
    const char *names[MAX_NAMES];
    size_t n = 0;
    for (size_t i = 0; i < cue->n_runs && n < MAX_NAMES; i++) {
        const char *voice = cue->runs[i].voice;
        size_t k = 0;
        while (voice && k < n && !kn_equal(names[k], voice))
            k++;
        if (!voice || k < n || is_blank(cue->runs[i].text))
            continue;
        kn_buf_printf(out, "%s%s", n ? "; " : "", voice);
        names[n++] = voice;
    }
    return n;
}

const char *kn_voices_next(const char **now, const struct kn_cue_run *run)
{
    if (is_blank(run->text) || kn_equal(run->voice, *now))
        return NULL;
    *now = run->voice;
    return run->voice;
}

/* ---- and back ---- */
struct names {
    struct kn_line all[MAX_NAMES];
    bool is_met[MAX_NAMES];
    size_t n;
};

static bool names_read(struct names *names, const char *speaker)
{
    while (*speaker && names->n < MAX_NAMES) {
        const char *cut = strstr(speaker, "; ");
        const size_t n = cut ? (size_t)(cut - speaker) : strlen(speaker);
        const struct kn_line name = kn_line_trim((struct kn_line){.text = speaker, .n = n});
        if (name.n > 0)
            names->all[names->n++] = name;
        speaker += n + (cut ? 2 : 0);
    }
    return *speaker == '\0' && names->n > 1;
}

// Which name stands at `at` with its colon, or -1. `before` is the character in front of it.
static int name_at(const struct names *names, const char *at, char before)
{
    if (before != '\n' && before != ' ')
        return -1;
    for (size_t i = 0; i < names->n; i++)
        if (strncmp(at, names->all[i].text, names->all[i].n) == 0 && strncmp(at + names->all[i].n, ": ", 2) == 0)
            return (int)i;
    return -1;
}

// How often names stand in the text; 0 unless all of them do.
static size_t names_count(struct names *names, const struct kn_cue *cue)
{
    char before = '\n';
    size_t n = 0;
    for (size_t i = 0; i < cue->n_runs; i++)
        for (const char *at = cue->runs[i].text; *at; before = *at++) {
            const int name = name_at(names, at, before);
            if (name >= 0)
                names->is_met[name] = true;
            n += name >= 0;
        }
    for (size_t i = 0; i < names->n; i++)
        n = names->is_met[i] ? n : 0;
    return n;
}

// Part of a run; blanks at its end, where another voice follows, are nobody's.
static bool part_add(struct kn_cue *out, struct kn_arena *arena, const struct kn_cue_run *run, const char *text,
                     size_t n, const char *voice, bool is_followed)
{
    size_t n_said = n;
    while (is_followed && n_said > 0 && (text[n_said - 1] == ' ' || text[n_said - 1] == '\n'))
        n_said--;
    for (int i = 0; i < 2; i++) {
        const size_t from = i == 0 ? 0 : n_said, to = i == 0 ? n_said : n;
        if (from == to)
            continue;
        struct kn_cue_run *part = &out->runs[out->n_runs++];
        *part = *run;
        part->voice = i == 0 ? voice : NULL;
        part->text = kn_arena_strndup(arena, text + from, to - from);
        if (!part->text)
            return false;
    }
    return true;
}

bool kn_voices_split(struct kn_cue *out, const struct kn_cue *cue, struct kn_arena *arena)
{
    struct names names = {.n = 0};
    if (!cue->speaker || !names_read(&names, cue->speaker))
        return false;
    const size_t n_names = names_count(&names, cue);
    if (n_names == 0)
        return false;
    struct kn_cue split = *cue;
    split.speaker = NULL;
    split.n_runs = 0;
    split.runs = kn_arena_alloc(arena, (cue->n_runs + n_names) * 2 * sizeof(*split.runs));
    bool is_good = split.runs != NULL;
    const char *voice = NULL;
    char before = '\n';
    for (size_t i = 0; i < cue->n_runs && is_good; i++) {
        const struct kn_cue_run *run = &cue->runs[i];
        const char *from = run->text;
        for (const char *at = from; *at && is_good;) {
            const int name = name_at(&names, at, before);
            before = *at;
            if (name < 0) {
                at++;
                continue;
            }
            is_good = part_add(&split, arena, run, from, (size_t)(at - from), voice, true);
            voice = kn_arena_strndup(arena, names.all[name].text, names.all[name].n);
            is_good = is_good && voice;
            from = at += names.all[name].n + 2;
            before = ' ';
        }
        is_good = is_good && part_add(&split, arena, run, from, strlen(from), voice, false);
    }
    if (is_good)
        *out = split;
    return is_good;
}

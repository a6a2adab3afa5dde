/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/caption/builder.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/strings.h"
#include "engine/caption/text.h"

// The look of ordinary text.
static struct kn_cue_run run_plain(void)
{
    return (struct kn_cue_run){.karaoke_us = KN_NO_TIME};
}

bool kn_cue_style_equal(const struct kn_cue_style *a, const struct kn_cue_style *b)
{
    return a->is_bold == b->is_bold && a->is_italic == b->is_italic &&
        a->is_underline == b->is_underline && a->is_strike == b->is_strike &&
        a->has_colour == b->has_colour && a->colour == b->colour &&
        a->has_background == b->has_background && a->background == b->background &&
        a->size_px >= b->size_px && a->size_px <= b->size_px && kn_equal(a->font, b->font) &&
        kn_equal(a->classes, b->classes) && kn_equal(a->language, b->language);
}

static bool look_equal(const struct kn_cue_run *a, const struct kn_cue_run *b)
{
    return kn_cue_style_equal(&a->style, &b->style) && kn_equal(a->voice, b->voice) &&
        a->karaoke_us == b->karaoke_us;
}

void kn_cue_builder_init(struct kn_cue_builder *builder, struct kn_cue_list *list)
{
    *builder = (struct kn_cue_builder){
        .list = list, .look = run_plain(), .pending = run_plain()};
}

void kn_cue_builder_clear(struct kn_cue_builder *builder)
{
    free(builder->runs);
    kn_buf_clear(&builder->text);
    *builder = (struct kn_cue_builder){0};
}

// Forget what was added, and the look.
static void builder_reset(struct kn_cue_builder *builder)
{
    kn_buf_reset(&builder->text);
    builder->n_runs = 0;
    builder->look = run_plain();
}

static size_t name_bytes(const char *name)
{
    return name ? strlen(name) : 0;
}

// Whether another run like this may be had: both limits bound what any writer makes of the list.
static bool has_room(struct kn_cue_list *list, const struct kn_cue_run *run)
{
    if (list->n_runs >= KN_MAX_CUE_RUNS || list->n_look_bytes > KN_MAX_CUE_LOOK_BYTES)
        return false;
    list->n_look_bytes += name_bytes(run->style.font) + name_bytes(run->style.classes) +
        name_bytes(run->style.language) + name_bytes(run->voice);
    return true;
}

void kn_cue_builder_cut(struct kn_cue_builder *builder, const char *ruby)
{
    if (!builder->text.len)
        return;
    if (builder->n_runs == builder->capacity) {
        const size_t capacity = builder->capacity ? builder->capacity * 2 : 16;
        struct kn_cue_run *grown = realloc(builder->runs, capacity * sizeof(*grown));
        if (!grown) {
            builder->is_broken = true;
            return;
        }
        builder->runs = grown;
        builder->capacity = capacity;
    }
    struct kn_cue_run run = builder->pending;
    run.text = kn_arena_strndup(&builder->list->arena, kn_buf_text(&builder->text), builder->text.len);
    run.ruby = ruby ? kn_arena_strdup(&builder->list->arena, ruby) : NULL;
    if (!run.text || (ruby && !run.ruby) || !has_room(builder->list, &run)) {
        builder->is_broken = true;
    } else {
        builder->runs[builder->n_runs++] = run;
        builder->list->n_runs++;
    }
    kn_buf_reset(&builder->text);
}

static void piece_add(struct kn_cue_builder *builder, const char *text, size_t n)
{
    if (!n)
        return;
    if (builder->text.len && !look_equal(&builder->look, &builder->pending))
        kn_cue_builder_cut(builder, NULL);
    builder->pending = builder->look;
    kn_buf_add(&builder->text, text, n);
}

void kn_cue_builder_text(struct kn_cue_builder *builder, const char *text, size_t n)
{
    // Lines end with '\n' alone: what else there is ("&#13;" of XML) would be one more to a reader of our files.
    for (const char *cr; n && (cr = memchr(text, '\r', n));) {
        const size_t before = (size_t)(cr - text), pair = before + 1 < n && cr[1] == '\n' ? 2 : 1;
        piece_add(builder, text, before);
        piece_add(builder, "\n", 1);
        text += before + pair;
        n -= before + pair;
    }
    piece_add(builder, text, n);
}

void kn_cue_builder_character(struct kn_cue_builder *builder, uint32_t character)
{
    char utf8[4];
    kn_cue_builder_text(builder, utf8, kn_caption_utf8(utf8, character));
}

// Line ends before the first and after the last text say nothing.
static void ends_trim(struct kn_cue_builder *builder)
{
    while (builder->n_runs && !builder->runs[0].ruby) {
        struct kn_cue_run *first = &builder->runs[0];
        first->text += strspn(first->text, "\r\n");
        if (*first->text)
            break;
        builder->n_runs--;
        memmove(first, first + 1, builder->n_runs * sizeof(*first));
    }
    while (builder->n_runs && !builder->runs[builder->n_runs - 1].ruby) {
        struct kn_cue_run *last = &builder->runs[builder->n_runs - 1];
        size_t n = strlen(last->text);
        while (n && (last->text[n - 1] == '\n' || last->text[n - 1] == '\r'))
            n--;
        if (last->text[n])
            last->text = kn_arena_strndup(&builder->list->arena, last->text, n);
        if (!last->text)
            builder->is_broken = true;
        if (n || !last->text)
            break;
        builder->n_runs--;
    }
}

kn_code kn_cue_builder_finish(struct kn_cue_builder *builder, struct kn_cue *cue,
                              struct kn_error *err)
{
    kn_cue_builder_cut(builder, NULL);
    ends_trim(builder);
    struct kn_cue_run *runs = NULL;
    if (builder->n_runs) {
        runs = kn_arena_array(&builder->list->arena, builder->n_runs, sizeof(*runs));
        if (runs)
            memcpy(runs, builder->runs, builder->n_runs * sizeof(*runs));
    }
    if (builder->list->n_runs >= KN_MAX_CUE_RUNS)
        return kn_fail(err, KN_ELIMIT, "more than %d pieces of styled text", KN_MAX_CUE_RUNS);
    if (builder->list->n_look_bytes > KN_MAX_CUE_LOOK_BYTES)
        return kn_fail(err, KN_ELIMIT, "more than %d MiB of names of fonts, voices and classes",
                       KN_MAX_CUE_LOOK_BYTES >> 20);
    if (builder->is_broken || !kn_buf_ok(&builder->text) || (builder->n_runs && !runs))
        return kn_fail(err, KN_ENOMEM, "no memory for a cue");
    cue->runs = runs;
    cue->n_runs = builder->n_runs;
    builder_reset(builder);
    return KN_OK;
}

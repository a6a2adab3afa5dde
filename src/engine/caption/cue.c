/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/caption/cue.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/strings.h"

void kn_cue_list_clear(struct kn_cue_list *list)
{
    if (list->release && list->decoder)
        list->release(list->decoder);
    free(list->cues);
    free(list->warnings);
    kn_arena_clear(&list->arena);
    *list = (struct kn_cue_list){0};
}

kn_code kn_cue_list_add(struct kn_cue_list *list, struct kn_cue **out_cue, struct kn_error *err)
{
    if (list->n_cues >= KN_MAX_CUES)
        return kn_fail(err, KN_ELIMIT, "more than %d cues", KN_MAX_CUES);
    if (list->n_cues == list->capacity) {
        const size_t capacity = list->capacity ? list->capacity * 2 : 64;
        struct kn_cue *grown = realloc(list->cues, capacity * sizeof(*grown));
        if (!grown)
            return kn_fail(err, KN_ENOMEM, "no memory for %zu cues", capacity);
        list->cues = grown;
        list->capacity = capacity;
    }
    list->cues[list->n_cues] = (struct kn_cue){
        .start_us = KN_NO_TIME,
        .end_us = KN_NO_TIME,
        .place = {.x = NAN, .y = NAN, .width = NAN},
        .confidence = NAN,
        .order = list->n_cues,
    };
    *out_cue = &list->cues[list->n_cues++];
    return KN_OK;
}

void kn_cue_list_warn(struct kn_cue_list *list, int line, const char *fmt, ...)
{
    list->n_problems++;
    if (list->n_warnings >= KN_MAX_CUE_WARNINGS)
        return;
    if (!list->warnings)
        list->warnings = calloc(KN_MAX_CUE_WARNINGS, sizeof(*list->warnings));
    char text[256];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args); // cut when long: it is for people
    va_end(args);
    for (char *at = text; *at; at++) // what is quoted may be cut within a character
        if ((unsigned char)*at >= 0x80 && !kn_is_utf8(text, strlen(text)))
            *at = '?';
    const char *kept = list->warnings ? kn_arena_strdup(&list->arena, text) : NULL;
    if (kept)
        list->warnings[list->n_warnings++] = (struct kn_cue_warning){.line = line, .text = kept};
}

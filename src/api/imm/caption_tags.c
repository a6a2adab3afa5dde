/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api/imm/caption_tags.h"

#include <math.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"

// As features/extract bounds them.
#define MAX_SHIFT_S 3.6e6
#define MAX_LENGTH_S 3600
#define MIN_SCALE 0.1
#define MAX_SCALE 10

enum kind { TEXT, TRUTH, SECONDS, LENGTH, FACTOR };

static const struct tag {
    const char *name, *member;
    enum kind kind;
} known[] = {
    {"ocr.lang", "OcrLanguage", TEXT},
    {"forcedOnly", "ForcedOnly", TRUTH},
    {"captions.closedOnly", "ClosedOnly", TRUTH},
    {"captions.lookEverywhere", "LookEverywhere", TRUTH},
    {"captions.shift", "ShiftUs", SECONDS},
    {"captions.scale", "Scale", FACTOR},
    {"captions.removeHearingImpaired", "RemoveHearingImpaired", TRUTH},
    {"captions.fixOcr", "FixOcr", TRUTH},
    {"captions.longest", "LongestUs", LENGTH},
    {"captions.joinSimultaneous", "JoinSimultaneous", TRUTH},
};

// A new reference; NULL when the text is none of the kind.
static json_t *value_read(enum kind kind, const char *text)
{
    double number = 0;
    bool is_so = false;
    switch (kind) {
    case TEXT: return json_string(text);
    case TRUTH: return kn_parse_bool(text, &is_so) ? json_boolean(is_so) : NULL;
    case SECONDS:
        return kn_parse_double(text, &number) && fabs(number) <= MAX_SHIFT_S ? json_integer(llround(number * KN_SECOND))
                                                                             : NULL;
    case LENGTH:
        return kn_parse_double(text, &number) && number >= 0.1 && number <= MAX_LENGTH_S
            ? json_integer(llround(number * KN_SECOND)) : NULL;
    case FACTOR:
        return kn_parse_double(text, &number) && number >= MIN_SCALE && number <= MAX_SCALE ? json_real(number) : NULL;
    }
    return NULL;
}

kn_code kn_imm_caption_tags(json_t *spec, const json_t *tags, struct kn_error *err)
{
    static const char *const wanted[] = {
        [TEXT] = "a text", [TRUTH] = "true or false", [SECONDS] = "seconds", [LENGTH] = "seconds from 0.1 to 3600",
        [FACTOR] = "a factor from 0.1 to 10"};
    for (size_t i = 0; i < KN_COUNT(known); i++) {
        const char *text = kn_json_get(tags, known[i].name, "");
        json_t *value = text[0] ? value_read(known[i].kind, text) : NULL;
        if (text[0] && !value)
            return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "Tags: '%s' is '%s', not %s", known[i].name, text,
                              wanted[known[i].kind]);
        if (value && json_object_set_new(spec, known[i].member, value) != 0)
            return kn_fail(err, KN_ENOMEM, "no memory for a task");
    }
    return KN_OK;
}

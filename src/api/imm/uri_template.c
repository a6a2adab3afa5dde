/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An address is parsed before its variables are filled in, so that a value cannot change which bucket is
 * meant, nor what was percent-encoded.
 */
#include "api/imm/uri_template.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"

#define STREAM_INDEX "{streamindex}"
#define AUTO_EXTENSION "{autoext}"

static const char *const parts_of_time[] = {"year", "mon", "day", "hour", "min", "sec"};

/* ---- variables ---- */

static int part_of_time(const char *name)
{
    for (size_t i = 0; i < KN_COUNT(parts_of_time); i++)
        if (strcmp(parts_of_time[i], name) == 0)
            return (int)i;
    return -1;
}

bool kn_imm_template_wants_upload_time(const char *text)
{
    for (size_t i = 0; i < KN_COUNT(parts_of_time); i++) {
        char variable[16];
        (void)snprintf(variable, sizeof(variable), "{%s}", parts_of_time[i]);
        if (strstr(text, variable))
            return true;
    }
    return false;
}

static void time_add(struct kn_buf *out, int64_t at_us, int part)
{
    char iso[24];
    kn_time_iso(iso, at_us); // "2026-03-01T10:00:00Z", "" for no time
    static const int at[] = {0, 5, 8, 11, 14, 17};
    if (iso[0])
        kn_buf_add(out, iso + at[part], part == 0 ? 4 : 2);
}

// What the source's address says of the name; false when it is no such variable.
static bool source_add(struct kn_buf *out, const struct kn_uri *source, const char *name)
{
    const char *key = source->key, *slash = strrchr(key, '/');
    const char *base = slash ? slash + 1 : key, *dot = strrchr(base, '.');
    if (dot == base)
        dot = NULL;
    if (strcmp(name, "bucket") == 0)
        kn_buf_puts(out, source->bucket);
    else if (strcmp(name, "key") == 0)
        kn_buf_puts(out, key);
    else if (strcmp(name, "dirname") == 0)
        kn_buf_add(out, key, slash ? (size_t)(slash - key) : 0);
    else if (strcmp(name, "basename") == 0)
        kn_buf_puts(out, base);
    else if (strcmp(name, "barename") == 0)
        kn_buf_add(out, base, dot ? (size_t)(dot - base) : strlen(base));
    else if (strcmp(name, "ext") == 0)
        kn_buf_puts(out, dot ? dot + 1 : "");
    else
        return false;
    return true;
}

static kn_code variable_add(struct kn_buf *out, const char *name, const char *path,
                            const struct kn_imm_names *names, struct kn_error *err)
{
    if (source_add(out, names->source, name))
        return KN_OK;
    if (part_of_time(name) >= 0 && names->uploaded_us != KN_NO_TIME) {
        time_add(out, names->uploaded_us, part_of_time(name));
        return KN_OK;
    }
    if (kn_starts_with(name, "t_") && part_of_time(name + 2) >= 0) {
        time_add(out, names->created_us, part_of_time(name + 2));
        return KN_OK;
    }
    const char *tag = kn_starts_with(name, "tags.") ? kn_json_get(names->tags, name + 5, NULL) : NULL;
    if (!tag)
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "%s: there is no variable '%s'", path, name);
    kn_buf_puts(out, tag);
    return KN_OK;
}

/* ---- templates ---- */

struct filled {
    struct kn_buf text; // owned
    bool has_variable, has_stream_index;
};

static void filled_clear(struct filled *filled)
{
    kn_buf_clear(&filled->text);
}

static kn_code unbalanced(struct kn_error *err, const char *path, const char *text)
{
    return kn_fail_as(err, KN_EINVAL, "InvalidParameter",
                      "%s: '%s' has a brace without its partner; a brace itself is written twice", path, text);
}

// One {variable} at `at`; *out_end: behind it.
static kn_code variable_fill(struct filled *out, const char *at, const char *path, bool is_caption,
                             const struct kn_imm_names *names, const char **out_end, struct kn_error *err)
{
    char name[160];
    const size_t n = strcspn(at + 1, "{}");
    if (at[1 + n] != '}' || n == 0 || n >= sizeof(name))
        return unbalanced(err, path, at);
    (void)snprintf(name, sizeof(name), "%.*s", (int)n, at + 1);
    *out_end = at + n + 2;
    // The root has no name: "{dirname}/a" is "a" for a source there.
    if (strcmp(name, "dirname") == 0 && !strchr(names->source->key, '/') && **out_end == '/')
        ++*out_end;
    out->has_variable = true;
    const bool is_index = strcmp(name, "streamindex") == 0;
    if (is_caption && (is_index || strcmp(name, "autoext") == 0)) {
        out->has_stream_index |= is_index;
        kn_buf_printf(&out->text, "{%s}", name);
        return KN_OK;
    }
    return variable_add(&out->text, name, path, names, err);
}

static kn_code template_fill(struct filled *out, const char *text, const char *path, bool is_caption,
                             const struct kn_imm_names *names, struct kn_error *err)
{
    const char *at = text;
    kn_code rc = KN_OK;
    while (*at && rc == KN_OK) {
        const size_t n = strcspn(at, "{}");
        kn_buf_add(&out->text, at, n);
        at += n;
        if (!*at)
            break;
        if (at[1] == at[0]) { // {{ or }}
            kn_buf_add(&out->text, at, 1);
            at += 2;
        } else if (*at == '{') {
            rc = variable_fill(out, at, path, is_caption, names, &at, err);
        } else {
            return unbalanced(err, path, text);
        }
    }
    if (rc == KN_OK && !kn_buf_ok(&out->text))
        return kn_fail(err, KN_ENOMEM, "no memory for an address");
    return rc;
}

// "oss://{bucket}/…" names the source's bucket; everywhere else a bucket is spelt out.
static const char *bucket_fill(const char *text, const struct kn_imm_names *names, struct kn_arena *arena)
{
    static const char variable[] = "oss://{bucket}/";
    if (!kn_starts_with(text, variable))
        return text;
    return kn_arena_printf(arena, "oss://%s/%s", names->source->bucket, text + sizeof(variable) - 1);
}

static kn_code address_fill(struct kn_uri *at, struct filled *out, const char *text, const char *path,
                            bool is_caption, const struct kn_imm_names *names, struct kn_arena *arena,
                            struct kn_error *err)
{
    const char *whole = bucket_fill(text, names, arena);
    if (!whole)
        return kn_fail(err, KN_ENOMEM, "no memory for an address");
    kn_code rc = kn_uri_parse(at, whole, names->oss_hosts, arena, err);
    if (rc != KN_OK)
        return kn_error_prefix(err, "%s", path);
    if (at->kind != KN_URI_OBJECT || !at->key[0])
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "%s: '%s' is no address of an object in a bucket",
                          path, text);
    rc = template_fill(out, at->key, path, is_caption, names, err);
    if (rc != KN_OK)
        return rc;
    if (!kn_uri_key_is_valid(kn_buf_text(&out->text)))
        return kn_fail_as(err, KN_EINVAL, "ObjectKeyInvalid", "%s: '%s' is no name of an object", path,
                          kn_buf_text(&out->text));
    return KN_OK;
}

kn_code kn_imm_template_resolve(const char **out, const char *text, const char *path,
                                const struct kn_imm_names *names, struct kn_arena *arena, struct kn_error *err)
{
    struct kn_uri at;
    kn_auto(filled_clear) struct filled filled = {0};
    kn_code rc = address_fill(&at, &filled, text, path, false, names, arena, err);
    if (rc != KN_OK)
        return rc;
    *out = kn_arena_printf(arena, "oss://%s/%s", at.bucket, kn_buf_text(&filled.text));
    return *out ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for an address");
}

kn_code kn_imm_caption_targets(const char **out_one, const char **out_many, const char *text, const char *path,
                               const struct kn_imm_names *names, struct kn_arena *arena, struct kn_error *err)
{
    struct kn_uri at;
    kn_auto(filled_clear) struct filled filled = {0};
    kn_code rc = address_fill(&at, &filled, text, path, true, names, arena, err);
    if (rc != KN_OK)
        return rc;
    const char *key = kn_buf_text(&filled.text);
    const char *slash = strrchr(key, '/'), *dot = strrchr(slash ? slash : key, '.');
    const int n_stem = dot ? (int)(dot - key) : 0;
    // Of one stream a template gives the whole name; without variables or extension it is the older form, a prefix.
    const char *one = kn_arena_printf(arena, "oss://%s/%s", at.bucket, key);
    if (filled.has_stream_index)
        *out_many = one;
    else if (!dot)
        *out_many = kn_arena_printf(arena, "oss://%s/%s_" STREAM_INDEX "." AUTO_EXTENSION, at.bucket, key);
    else
        *out_many = kn_arena_printf(arena, "oss://%s/%.*s_" STREAM_INDEX "%s", at.bucket, n_stem, key, dot);
    *out_one = filled.has_variable || dot ? one : *out_many;
    return *out_one && *out_many ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for an address");
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* HLS playlists, written and read (RFC 8216). playlist_rules.c says what they may refer to. */
#include "features/convert/manifest.h"

#include <ctype.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "features/convert/language.h"

#define MAX_ENTRIES 4096 // a master playlist of a film in forty languages has some two hundred

/* ---- reading a master playlist ---- */
static kn_code bad(struct kn_error *err, const char *uri, const char *why)
{
    return kn_fail_as(err, KN_EMEDIA, "ResourceContentBad", "'%s' %s", uri, why);
}

// The value of an attribute in "A=1,B=\"x,y\"", without quotes; NULL when absent.
static const char *attribute(struct kn_arena *arena, const char *list, const char *name)
{
    size_t n_name = strlen(name);
    for (const char *at = list; *at;) {
        size_t n = strcspn(at, "=,");
        bool is_it = n == n_name && memcmp(at, name, n) == 0 && at[n] == '=';
        at += n;
        if (*at != '=') {
            at += *at == ',';
            continue;
        }
        at++;
        bool is_quoted = *at == '"';
        at += is_quoted;
        size_t n_value = strcspn(at, is_quoted ? "\"" : ",");
        if (is_it)
            return kn_arena_strndup(arena, at, n_value);
        at += n_value;
        at += strcspn(at, ",");
        at += *at == ',';
    }
    return NULL;
}

// The attribute list without its URI.
static const char *without_uri(struct kn_arena *arena, const char *list)
{
    kn_auto(kn_buf_clear) struct kn_buf kept = {0};
    for (const char *at = list; *at;) {
        const char *start = at;
        bool is_quoted = false;
        while (*at && (is_quoted || *at != ',')) {
            is_quoted = *at == '"' ? !is_quoted : is_quoted;
            at++;
        }
        if (!kn_starts_with(start, "URI=")) {
            if (kept.len)
                kn_buf_putc(&kept, ',');
            kn_buf_add(&kept, start, (size_t)(at - start));
        }
        at += *at == ',';
    }
    return kn_buf_ok(&kept) ? kn_arena_strdup(arena, kn_buf_text(&kept)) : NULL;
}

static kn_code entry_read(struct kn_master *master, struct kn_master_entry *entry, const char *tag,
                          const char *list, const char *reference, const char *uri,
                          struct kn_error *err)
{
    struct kn_arena *arena = &master->arena;
    entry->tag = tag;
    entry->attributes = without_uri(arena, list);
    entry->type = attribute(arena, list, "TYPE");
    entry->language = attribute(arena, list, "LANGUAGE");
    entry->name = attribute(arena, list, "NAME");
    entry->group = attribute(arena, list, "GROUP-ID");
    reference = reference ? reference : attribute(arena, list, "URI");
    kn_auto(kn_buf_clear) struct kn_buf resolved = {0};
    if (reference) {
        kn_code rc = kn_playlist_resolve(&resolved, uri, reference, err);
        if (rc != KN_OK)
            return rc;
        entry->uri = kn_arena_strdup(arena, kn_buf_text(&resolved));
    }
    return entry->attributes && (!reference || entry->uri)
               ? KN_OK
               : kn_fail(err, KN_ENOMEM, "no memory to read '%s'", uri);
}

// The text as a NULL-terminated list of lines, cut in place.
static char **lines_of(struct kn_arena *arena, const char *text, size_t n)
{
    size_t n_lines = 2;
    for (size_t i = 0; i < n; i++)
        n_lines += text[i] == '\n';
    char *copy = kn_arena_strndup(arena, text, n);
    char **lines = kn_arena_array(arena, n_lines, sizeof(*lines));
    if (!copy || !lines)
        return NULL;
    size_t count = 0;
    for (char *at = copy; at; count++) {
        char *stop = strchr(at, '\n');
        if (stop)
            *stop = '\0';
        lines[count] = at;
        kn_trim(at);
        at = stop ? stop + 1 : NULL;
    }
    return lines;
}

static kn_code master_fill(struct kn_master *master, char **lines, const char *uri,
                           struct kn_error *err)
{
    static const char *const tags[] = {"EXT-X-MEDIA", "EXT-X-STREAM-INF",
                                       "EXT-X-I-FRAME-STREAM-INF"};
    for (; *lines; lines++) {
        if (kn_starts_with(*lines, "#EXTINF:"))
            return bad(err, uri, "is a media playlist, not a master playlist");
        for (size_t t = 0; t < KN_COUNT(tags); t++) {
            size_t n_tag = strlen(tags[t]);
            if (!kn_starts_with(*lines, "#") || !kn_starts_with(*lines + 1, tags[t]) ||
                (*lines)[1 + n_tag] != ':')
                continue;
            const char *list = *lines + 2 + n_tag;
            const char *reference = NULL;
            if (t == 1) { // the next line that is not a comment
                while (lines[1] && (lines[1][0] == '\0' || lines[1][0] == '#'))
                    lines++;
                reference = lines[1];
                if (!reference)
                    return bad(err, uri, "ends before the address of a stream");
                lines++;
            }
            if (master->n_entries == MAX_ENTRIES)
                return bad(err, uri, "has too many entries");
            kn_code rc = entry_read(master, &master->entries[master->n_entries++], tags[t], list,
                                    reference, uri, err);
            if (rc != KN_OK)
                return rc;
            break;
        }
    }
    return master->n_entries ? KN_OK : bad(err, uri, "is a playlist without streams");
}

kn_code kn_master_read(struct kn_master *master, const char *text, size_t n, const char *uri,
                       struct kn_error *err)
{
    *master = (struct kn_master){0};
    if (n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3;
        n -= 3;
    }
    if (n < 7 || memcmp(text, "#EXTM3U", 7) != 0 || memchr(text, '\0', n))
        return bad(err, uri, "is no M3U8 playlist");
    size_t n_tags = 0;
    for (size_t i = 0; i < n; i++)
        n_tags += text[i] == '#';
    char **lines = lines_of(&master->arena, text, n);
    master->entries = kn_arena_array(&master->arena, n_tags < MAX_ENTRIES ? n_tags : MAX_ENTRIES,
                                     sizeof(*master->entries));
    kn_code rc = lines && master->entries ? master_fill(master, lines, uri, err)
                                          : kn_fail(err, KN_ENOMEM, "no memory to read '%s'", uri);
    if (rc != KN_OK)
        kn_master_clear(master);
    return rc;
}

void kn_master_clear(struct kn_master *master)
{
    kn_arena_clear(&master->arena);
    *master = (struct kn_master){0};
}

/* ---- writing a master playlist ---- */
static bool is_excluded(const struct kn_convert_group *group, const struct kn_master_entry *entry)
{
    bool is_audio = kn_equal(entry->type, "AUDIO");
    bool is_subtitle = kn_equal(entry->type, "SUBTITLES");
    if (!is_audio && !is_subtitle)
        return false;
    for (int i = 0; i < group->n_excludes; i++) {
        const struct kn_convert_exclude *x = &group->excludes[i];
        bool is_type =
            x->type == KN_EXCLUDE_ANY || (x->type == KN_EXCLUDE_AUDIO ? is_audio : is_subtitle);
        if (is_type && (!x->language || kn_language_equal(x->language, entry->language)) &&
            (!x->name || kn_equal(x->name, entry->name)))
            return true;
    }
    return false;
}

static kn_code entry_write(struct kn_buf *out, const char *manifest,
                           const struct kn_master_entry *entry, struct kn_error *err)
{
    bool is_stream = kn_equal(entry->tag, "EXT-X-STREAM-INF");
    kn_buf_printf(out, "#%s:%s", entry->tag, entry->attributes);
    if (entry->uri)
        kn_buf_puts(out, is_stream ? "\n" : ",URI=\"");
    kn_code rc = entry->uri ? kn_manifest_relative(out, manifest, entry->uri, err) : KN_OK;
    kn_buf_puts(out, entry->uri && !is_stream ? "\"\n" : "\n");
    return rc;
}

static const char *yes(bool is_so)
{
    return is_so ? "YES" : "NO";
}

// EXT-X-MEDIA. FORCED is for subtitles alone, and DEFAULT=YES demands AUTOSELECT=YES (4.3.4.1).
static kn_code media_write(struct kn_buf *out, const char *manifest,
                           const struct kn_convert_hls *hls, const struct kn_rendition_facts *facts,
                           struct kn_error *err)
{
    bool is_audio = hls->type == KN_RENDITION_AUDIO;
    kn_buf_printf(out, "#EXT-X-MEDIA:TYPE=%s,GROUP-ID=\"%s\",NAME=\"%s\",DEFAULT=%s,AUTOSELECT=%s",
                  is_audio ? "AUDIO" : "SUBTITLES", hls->group, hls->name, yes(hls->is_default),
                  yes(hls->is_auto_select || hls->is_default));
    if (!is_audio)
        kn_buf_printf(out, ",FORCED=%s", yes(hls->is_forced));
    if (hls->language)
        kn_buf_printf(out, ",LANGUAGE=\"%s\"", hls->language);
    if (is_audio && facts->channels > 0)
        kn_buf_printf(out, ",CHANNELS=\"%d\"", facts->channels);
    kn_buf_puts(out, ",URI=\"");
    kn_code rc = kn_manifest_relative(out, manifest, facts->uri, err);
    kn_buf_puts(out, "\"\n");
    return rc;
}

/* The heaviest rendition of an audio group, which BANDWIDTH and CODECS of a stream count in. */
static const struct kn_rendition_facts *heaviest(const struct kn_convert_group *group,
                                                 const struct kn_rendition_facts *facts,
                                                 const char *name)
{
    const struct kn_rendition_facts *found = NULL;
    for (int i = 0; i < group->n_outputs; i++) {
        const struct kn_convert_hls *hls = &group->outputs[i].hls;
        if (facts[i].uri && hls->type == KN_RENDITION_AUDIO && kn_equal(hls->group, name) &&
            (!found || facts[i].peak_bps > found->peak_bps))
            found = &facts[i];
    }
    return found;
}

// Whether a group of renditions exists in the manifest, ours or kept.
static bool has_group(const struct kn_convert_group *group, const struct kn_rendition_facts *facts,
                      const struct kn_master *extend, enum kn_rendition type, const char *name)
{
    for (int i = 0; i < group->n_outputs; i++)
        if (facts[i].uri && group->outputs[i].hls.type == type &&
            kn_equal(group->outputs[i].hls.group, name))
            return true;
    const char *word = type == KN_RENDITION_AUDIO ? "AUDIO" : "SUBTITLES";
    for (int i = 0; extend && i < extend->n_entries; i++)
        if (kn_equal(extend->entries[i].type, word) && kn_equal(extend->entries[i].group, name) &&
            !is_excluded(group, &extend->entries[i]))
            return true;
    return false;
}

static kn_code stream_write(struct kn_buf *out, const struct kn_convert_group *group, int i,
                            const struct kn_rendition_facts *facts, const struct kn_master *extend,
                            struct kn_error *err)
{
    const struct kn_convert_hls *hls = &group->outputs[i].hls;
    const struct kn_rendition_facts *own = &facts[i];
    bool uses_audio = hls->type == KN_RENDITION_VIDEO &&
                      has_group(group, facts, extend, KN_RENDITION_AUDIO, hls->audio_group);
    const struct kn_rendition_facts *audio =
        uses_audio ? heaviest(group, facts, hls->audio_group) : NULL;
    int64_t peak = own->peak_bps + (audio ? audio->peak_bps : 0);
    kn_buf_printf(out, "#EXT-X-STREAM-INF:PROGRAM-ID=1,BANDWIDTH=%lld", (long long)peak);
    if (own->average_bps > 0)
        kn_buf_printf(out, ",AVERAGE-BANDWIDTH=%lld",
                      (long long)(own->average_bps + (audio ? audio->average_bps : 0)));
    if (own->codecs)
        kn_buf_printf(out, ",CODECS=\"%s%s%s\"", own->codecs, audio && audio->codecs ? "," : "",
                      audio && audio->codecs ? audio->codecs : "");
    if (own->width_px > 0 && own->height_px > 0)
        kn_buf_printf(out, ",RESOLUTION=%dx%d", own->width_px, own->height_px);
    if (own->fps_num > 0 && own->fps_den > 0)
        kn_buf_printf(out, ",FRAME-RATE=%.3f", (double)own->fps_num / own->fps_den);
    if (uses_audio)
        kn_buf_printf(out, ",AUDIO=\"%s\"", hls->audio_group);
    if (has_group(group, facts, extend, KN_RENDITION_SUBTITLE, hls->subtitle_group))
        kn_buf_printf(out, ",SUBTITLES=\"%s\"", hls->subtitle_group);
    kn_buf_putc(out, '\n');
    kn_code rc = kn_manifest_relative(out, group->manifest_uri, own->uri, err);
    kn_buf_putc(out, '\n');
    return rc;
}

kn_code kn_master_write(struct kn_buf *out, const struct kn_convert_group *group,
                        const struct kn_rendition_facts *facts, const struct kn_master *extend,
                        struct kn_error *err)
{
    kn_code rc = KN_OK;
    kn_buf_puts(out, "#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    // EXT-X-MEDIA first, kept then new; streams after them: players read top to bottom.
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; extend && i < extend->n_entries && rc == KN_OK; i++) {
            bool is_media = kn_equal(extend->entries[i].tag, "EXT-X-MEDIA");
            if (is_media == (pass == 0) && !is_excluded(group, &extend->entries[i]))
                rc = entry_write(out, group->manifest_uri, &extend->entries[i], err);
        }
        for (int i = 0; i < group->n_outputs && rc == KN_OK; i++) {
            enum kn_rendition type = group->outputs[i].hls.type;
            bool is_media = type == KN_RENDITION_AUDIO || type == KN_RENDITION_SUBTITLE;
            if (!facts[i].uri || is_media != (pass == 0))
                continue;
            rc = is_media
                     ? media_write(out, group->manifest_uri, &group->outputs[i].hls, &facts[i], err)
                     : stream_write(out, group, i, facts, extend, err);
        }
    }
    if (rc == KN_OK && !kn_buf_ok(out))
        rc = kn_fail(err, KN_ENOMEM, "no memory for '%s'", group->manifest_uri);
    return rc;
}

/* ---- writing a media playlist ---- */
kn_code kn_media_playlist_write(struct kn_buf *out, const char *playlist_uri, const char *init_uri,
                                int first_number, const struct kn_manifest_segment *segments, int n_segments,
                                struct kn_error *err)
{
    int64_t longest_us = 0;
    for (int i = 0; i < n_segments; i++)
        if (segments[i].duration_us > longest_us)
            longest_us = segments[i].duration_us;
    // TARGETDURATION is the longest segment rounded to the nearest second (4.3.3.1).
    kn_buf_printf(out,
                  "#EXTM3U\n#EXT-X-VERSION:%d\n#EXT-X-TARGETDURATION:%lld\n"
                  "#EXT-X-MEDIA-SEQUENCE:%d\n#EXT-X-PLAYLIST-TYPE:VOD\n",
                  init_uri ? 7 : 3, (long long)((longest_us + 500000) / 1000000), first_number);
    kn_code rc = KN_OK;
    if (init_uri) {
        kn_buf_puts(out, "#EXT-X-MAP:URI=\"");
        rc = kn_manifest_relative(out, playlist_uri, init_uri, err);
        kn_buf_puts(out, "\"\n");
    }
    for (int i = 0; i < n_segments && rc == KN_OK; i++) {
        kn_buf_printf(out, "#EXTINF:%.6f,\n", (double)segments[i].duration_us / 1e6);
        rc = kn_manifest_relative(out, playlist_uri, segments[i].uri, err);
        kn_buf_putc(out, '\n');
    }
    kn_buf_puts(out, "#EXT-X-ENDLIST\n");
    if (rc == KN_OK && !kn_buf_ok(out))
        rc = kn_fail(err, KN_ENOMEM, "no memory for '%s'", playlist_uri);
    return rc;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Manifests read again before they are handed over: what a player would find in them is compared with the
 * files that were made. A reader of its own, not the writer's: what the two do not agree upon is a fault.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/strings.h"
#include "features/convert/manifest.h"

static kn_code differs(struct kn_error *err, const char *uri, const char *what)
{
    return kn_fail(err, KN_EBUG, "'%s' does not say what was written: %s", uri, what);
}

// Whether `n` bytes of a manifest name `target`.
static kn_code names(bool *out, const char *text, size_t n, const char *manifest, const char *target,
                     struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf want = {0};
    const kn_code rc = kn_manifest_relative(&want, manifest, target, err);
    if (rc != KN_OK || !kn_buf_ok(&want))
        return rc != KN_OK ? rc : kn_fail(err, KN_ENOMEM, "no memory to read '%s' again", manifest);
    *out = want.len == n && memcmp(kn_buf_text(&want), text, n) == 0;
    return KN_OK;
}

/* ---- HLS ---- */
struct playlist {
    int n_segments;
    int64_t longest_us, target_s;
    int64_t next_us; // what EXTINF says of the segment to come; -1: nothing
    bool has_map, has_end;
};

static int64_t seconds_us(const char *text)
{
    return (int64_t)(strtod(text, NULL) * 1e6 + 0.5);
}

// One line of it.
static kn_code line_check(struct playlist *p, const char *line, size_t n, const char *uri,
                          const char *init_uri, const struct kn_manifest_segment *segments,
                          int n_segments, struct kn_error *err)
{
    static const char map[] = "#EXT-X-MAP:URI=\"", inf[] = "#EXTINF:", target[] = "#EXT-X-TARGETDURATION:";
    bool is_it = true;
    kn_code rc = KN_OK;
    if (p->has_end && n > 0)
        return differs(err, uri, "it goes on after its end");
    if (kn_starts_with(line, map)) {
        p->has_map = true;
        is_it = init_uri && n > strlen(map) && line[n - 1] == '"';
        if (is_it)
            rc = names(&is_it, line + strlen(map), n - strlen(map) - 1, uri, init_uri, err);
    } else if (kn_starts_with(line, inf)) {
        p->next_us = seconds_us(line + strlen(inf));
    } else if (kn_starts_with(line, target)) {
        p->target_s = strtoll(line + strlen(target), NULL, 10);
    } else if (kn_starts_with(line, "#EXT-X-ENDLIST")) {
        p->has_end = true;
    } else if (n > 0 && line[0] != '#') {
        const struct kn_manifest_segment *s = p->n_segments < n_segments ? &segments[p->n_segments] : NULL;
        is_it = s && p->next_us == s->duration_us;
        if (is_it)
            rc = names(&is_it, line, n, uri, s->uri, err);
        p->longest_us = p->next_us > p->longest_us ? p->next_us : p->longest_us;
        p->next_us = -1;
        p->n_segments++;
    }
    return rc == KN_OK && !is_it ? differs(err, uri, "it names another file, or another length") : rc;
}

kn_code kn_media_playlist_check(const char *text, const char *uri, const char *init_uri,
                                const struct kn_manifest_segment *segments, int n_segments,
                                struct kn_error *err)
{
    struct playlist p = {.next_us = -1};
    if (!kn_starts_with(text, "#EXTM3U\n"))
        return differs(err, uri, "it is no playlist");
    for (const char *at = text; *at;) {
        const size_t n = strcspn(at, "\n");
        const kn_code rc = line_check(&p, at, n, uri, init_uri, segments, n_segments, err);
        if (rc != KN_OK)
            return rc;
        at += n + (at[n] != '\0');
    }
    if (p.n_segments != n_segments || p.has_map != (init_uri != NULL) || !p.has_end)
        return differs(err, uri, "it ends early");
    // Rounded to the nearest second no segment lasts longer (RFC 8216, 4.3.3.1).
    return p.target_s >= (p.longest_us + 500000) / 1000000
        ? KN_OK : differs(err, uri, "a segment is longer than its target");
}

/* ---- DASH ---- */
// From the end of the next `before` in the text to `until`, XML's entities turned back; false: no more.
static bool next_value(const char **at, const char *end, const char *before, char until,
                       struct kn_buf *out)
{
    static const struct {
        const char *name;
        char is;
    } entities[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}};
    const char *p = strstr(*at, before);
    kn_buf_clear(out);
    if (!p || p >= end)
        return false;
    for (p += strlen(before); *p && *p != until;) {
        size_t i = 0;
        while (i < KN_COUNT(entities) && !kn_starts_with(p, entities[i].name))
            i++;
        kn_buf_putc(out, i < KN_COUNT(entities) ? entities[i].is : *p);
        p += i < KN_COUNT(entities) ? strlen(entities[i].name) : 1;
    }
    *at = p;
    return true;
}

// What stands between *at and `end` is one Representation: that of `track`?
static kn_code track_check(const char *at, const char *end, const char *uri,
                           const struct kn_dash_track *track, bool *out, struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf value = {0};
    const char *place = at;
    const bool is_list = next_value(&place, end, "<Initialization sourceURL=\"", '"', &value);
    if (!is_list && !next_value(&place, end, "<BaseURL>", '<', &value))
        return differs(err, uri, "a representation has no file");
    *out = false;
    if (is_list != (track->init_uri != NULL) || (!is_list && track->n_segments == 0))
        return KN_OK;
    const char *first = is_list ? track->init_uri : track->segments[0].uri;
    kn_code rc = names(out, kn_buf_text(&value), value.len, uri, first, err);
    const char *lengths = place, *files = place;
    for (int i = 0; is_list && rc == KN_OK && *out && i < track->n_segments; i++) {
        bool is_it = next_value(&lengths, end, " d=\"", '"', &value) &&
                     strtoll(kn_buf_text(&value), NULL, 10) == track->segments[i].duration_us &&
                     next_value(&files, end, "<SegmentURL media=\"", '"', &value);
        if (is_it)
            rc = names(&is_it, kn_buf_text(&value), value.len, uri, track->segments[i].uri, err);
        if (rc == KN_OK && !is_it)
            return differs(err, uri, "it names another file, or another length");
    }
    if (rc == KN_OK && *out && is_list && (next_value(&lengths, end, " d=\"", '"', &value) ||
                                           next_value(&files, end, "<SegmentURL", '>', &value)))
        return differs(err, uri, "it names more files than there are");
    return rc;
}

kn_code kn_mpd_check(const char *text, const char *uri, const struct kn_dash_track *tracks, int n_tracks,
                     struct kn_error *err)
{
    int n_found = 0;
    for (const char *at = text; (at = strstr(at, "<Representation "));) {
        const char *end = strstr(at, "</Representation>");
        bool is_it = false;
        kn_code rc = end ? KN_OK : differs(err, uri, "a representation has no end");
        for (int i = 0; rc == KN_OK && !is_it && i < n_tracks; i++)
            rc = track_check(at, end, uri, &tracks[i], &is_it, err);
        if (rc == KN_OK && !is_it)
            rc = differs(err, uri, "a representation is of no track");
        if (rc != KN_OK)
            return rc;
        n_found++;
        at = end;
    }
    if (n_found != n_tracks || !strstr(text, "</MPD>\n"))
        return differs(err, uri, "it has not every track");
    return KN_OK;
}

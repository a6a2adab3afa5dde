/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where a reference inside a playlist may lead. An address is taken apart into a root (scheme and
 * host, scheme and bucket, or nothing for a file) and a path; a reference changes the path alone.
 */
#include <ctype.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/encode.h"
#include "base/strings.h"
#include "base/uri.h"
#include "features/convert/manifest.h"

enum place { PLACE_FILE = 0, PLACE_OBJECT, PLACE_HTTP, PLACE_OTHER };

static enum place place_of(const char *uri)
{
    if (kn_starts_with(uri, "oss://"))
        return PLACE_OBJECT;
    if (kn_starts_with(uri, "http://") || kn_starts_with(uri, "https://"))
        return PLACE_HTTP;
    return strstr(uri, "://") ? PLACE_OTHER : PLACE_FILE;
}

// The length of "scheme://host" or "oss://bucket"; 0 for a file.
static size_t root_length(const char *uri)
{
    const char *host = strstr(uri, "://");
    return host ? (size_t)(host + 3 - uri) + strcspn(host + 3, "/?#") : 0;
}

static kn_code refuse(struct kn_error *err, const char *playlist, const char *reference,
                      const char *why)
{
    return kn_fail_as(err, KN_EMEDIA, "ResourceContentBad",
                      "the playlist '%s' refers to '%.200s': %s", playlist, reference, why);
}

// "name:" before any slash: an address with a scheme of its own.
static bool has_scheme(const char *reference)
{
    size_t n = strcspn(reference, ":/?#");
    return reference[n] == ':';
}

static bool is_clean(const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at; at++)
        if (*at < 0x20 || *at == 0x7F || *at == '\\')
            return false;
    return kn_is_utf8(text, strlen(text));
}

// Append "folder/reference" with its dot segments worked out; false when it climbs above the start.
static bool path_join(struct kn_buf *out, const char *folder, size_t n_folder,
                      const char *reference, size_t n_reference)
{
    kn_auto(kn_buf_clear) struct kn_buf whole = {0};
    kn_buf_add(&whole, folder, n_folder);
    kn_buf_add(&whole, reference, n_reference);
    size_t start = out->len;
    for (const char *at = kn_buf_text(&whole);;) {
        size_t n = strcspn(at, "/");
        bool is_last = at[n] == '\0';
        if (n == 2 && memcmp(at, "..", 2) == 0) {
            if (out->len == start)
                return false;
            out->len--; // the slash
            while (out->len > start && out->data[out->len - 1] != '/')
                out->len--;
            out->data[out->len] = '\0';
        } else if (!(n == 1 && at[0] == '.')) {
            kn_buf_add(out, at, n);
            if (!is_last)
                kn_buf_putc(out, '/');
        }
        if (is_last)
            return true;
        at += n + 1;
    }
}

static kn_code object_resolve(struct kn_buf *out, const char *playlist, size_t n_root,
                              const char *reference, struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf decoded = {0};
    kn_auto(kn_buf_clear) struct kn_buf key = {0};
    size_t n = strcspn(reference, "?#");
    if (!kn_unpercent(&decoded, reference, n, false) ||
        strlen(kn_buf_text(&decoded)) != decoded.len)
        return refuse(err, playlist, reference, "it is badly percent-encoded");
    const char *path = playlist + n_root + (playlist[n_root] == '/');
    const char *slash = strrchr(path, '/');
    const char *given = kn_buf_text(&decoded);
    bool is_rooted = given[0] == '/';
    if (!path_join(&key, path, is_rooted || !slash ? 0 : (size_t)(slash + 1 - path),
                   given + is_rooted, decoded.len - is_rooted) ||
        !kn_uri_key_is_valid(kn_buf_text(&key)))
        return refuse(err, playlist, reference, "that is no object of its bucket");
    kn_buf_printf(out, "%.*s/%s", (int)n_root, playlist, kn_buf_text(&key));
    return KN_OK;
}

static kn_code file_resolve(struct kn_buf *out, const char *playlist, const char *reference,
                            struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf below = {0};
    kn_auto(kn_buf_clear) struct kn_buf decoded = {0};
    if (!kn_unpercent(&decoded, reference, strcspn(reference, "?#"), false) ||
        strlen(kn_buf_text(&decoded)) != decoded.len)
        return refuse(err, playlist, reference, "it is badly percent-encoded");
    const char *slash = strrchr(playlist, '/');
    if (kn_buf_text(&decoded)[0] == '/' ||
        !path_join(&below, "", 0, kn_buf_text(&decoded), decoded.len) || below.len == 0)
        return refuse(err, playlist, reference, "only files in the playlist's folder are read");
    kn_buf_add(out, playlist, slash ? (size_t)(slash + 1 - playlist) : 0);
    kn_buf_puts(out, kn_buf_text(&below));
    return KN_OK;
}

static kn_code http_resolve(struct kn_buf *out, const char *playlist, size_t n_root,
                            const char *reference, struct kn_error *err)
{
    const char *path = playlist + n_root;
    size_t n_path = strcspn(path, "?#");
    size_t n_folder = n_path;
    while (n_folder > 0 && path[n_folder - 1] != '/')
        n_folder--;
    if (kn_starts_with(reference, "//")) {
        kn_buf_add(out, playlist, strcspn(playlist, "/"));
        kn_buf_puts(out, reference);
        return KN_OK;
    }
    kn_auto(kn_buf_clear) struct kn_buf joined = {0};
    size_t n = strcspn(reference, "?#");
    bool is_rooted = reference[0] == '/';
    bool ok = n == 0 ? path_join(&joined, path, n_path, "", 0)
                     : path_join(&joined, is_rooted || n_folder == 0 ? "/" : path,
                                 is_rooted || n_folder == 0 ? 1 : n_folder, reference + is_rooted,
                                 n - is_rooted);
    if (!ok)
        return refuse(err, playlist, reference, "it climbs above its host");
    kn_buf_add(out, playlist, n_root);
    if (kn_buf_text(&joined)[0] != '/')
        kn_buf_putc(out, '/');
    kn_buf_puts(out, kn_buf_text(&joined));
    kn_buf_puts(out, reference + n);
    return KN_OK;
}

kn_code kn_playlist_resolve(struct kn_buf *out, const char *playlist_uri, const char *reference,
                            struct kn_error *err)
{
    enum place place = place_of(playlist_uri);
    size_t n_root = root_length(playlist_uri);
    if (!reference[0] || !is_clean(reference))
        return refuse(err, playlist_uri, "", "a reference is empty or holds control characters");
    if (has_scheme(reference)) {
        if (place_of(reference) == PLACE_HTTP && reference[root_length(reference)] != '\0') {
            kn_buf_puts(out, reference);
            return KN_OK;
        }
        bool is_own = place == PLACE_OBJECT && strncmp(reference, playlist_uri, n_root) == 0 &&
                      reference[n_root] == '/' && kn_uri_key_is_valid(reference + n_root + 1);
        if (!is_own)
            return refuse(err, playlist_uri, reference,
                          "only http, https and its own bucket are read");
        kn_buf_puts(out, reference);
        return KN_OK;
    }
    switch (place) {
    case PLACE_OBJECT: return object_resolve(out, playlist_uri, n_root, reference, err);
    case PLACE_HTTP: return http_resolve(out, playlist_uri, n_root, reference, err);
    case PLACE_FILE: return file_resolve(out, playlist_uri, reference, err);
    case PLACE_OTHER: break;
    }
    return refuse(err, playlist_uri, reference, "a media id has nothing beside it");
}

kn_code kn_manifest_relative(struct kn_buf *out, const char *manifest_uri, const char *target,
                             struct kn_error *err)
{
    size_t n_root = root_length(manifest_uri);
    bool is_same_root = root_length(target) == n_root &&
                        strncmp(manifest_uri, target, n_root) == 0 &&
                        (n_root > 0 || (manifest_uri[0] == '/') == (target[0] == '/'));
    if (!is_same_root) {
        if (place_of(target) != PLACE_HTTP)
            return kn_fail_as(err, KN_EINVAL, "NotSupported",
                              "no relative name leads from '%s' to '%s'", manifest_uri, target);
        kn_buf_puts(out, target);
        return KN_OK;
    }
    const char *from = manifest_uri + n_root, *to = target + n_root;
    size_t common = 0;
    for (size_t i = 0; from[i] && from[i] == to[i]; i++)
        if (from[i] == '/')
            common = i + 1;
    for (const char *at = from + common; (at = strchr(at, '/')); at++)
        kn_buf_puts(out, "../");
    // A first segment with a colon would read as a scheme: it is percent-encoded like the rest.
    if (place_of(target) == PLACE_HTTP)
        kn_buf_puts(out, to + common);
    else
        kn_percent(out, to + common, strlen(to + common), true);
    return KN_OK;
}

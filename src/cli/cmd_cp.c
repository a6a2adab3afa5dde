/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kinora cp: files to a bucket, objects to files, objects to objects. What is to be copied is listed
 * first, as pairs of names; then the pairs are copied one after the other.
 */
#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/uri.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/remote.h"
#include "cli/transfer.h"
#include "cli/xml.h"

struct cp_options {
    struct kn_remote_flags flags;
    bool is_recursive, resumes;
};

struct cp {
    struct kn_remote *remote;         // borrowed
    const struct cp_options *options; // borrowed
    struct kn_arena *arena;           // borrowed: of all names
    json_t *pairs;                    // owned: [{"From", "To"}…]
};

static kn_code pair_add(struct cp *cp, const char *from, const char *to, struct kn_error *err)
{
    json_t *pair = from && to ? json_pack("{s:s, s:s}", "From", from, "To", to) : NULL;
    if (pair && json_array_append_new(cp->pairs, pair) == 0)
        return KN_OK;
    return from && to ? kn_fail(err, KN_EINVAL, "the name '%s' is not UTF-8", from)
                      : kn_fail(err, KN_ENOMEM, "no memory for a name");
}

/* ---- where to ---- */

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

// The destination of one thing called `name`: what ends in '/', a bucket or a folder takes its name.
static const char *place_of(struct cp *cp, const char *to_text, const struct kn_uri *to,
                            const char *name)
{
    bool takes_name = kn_ends_with(to_text, "/") ||
                      (to->kind == KN_URI_OBJECT ? !to->key[0] : is_folder(to_text));
    if (!takes_name)
        return to_text;
    return kn_arena_printf(cp->arena, "%s%s%s", to_text, kn_ends_with(to_text, "/") ? "" : "/",
                           kn_fs_name(name));
}

// The destination of something below a folder or prefix.
static const char *place_below(struct cp *cp, const char *to_text, const char *relative)
{
    return kn_arena_printf(cp->arena, "%s%s%s", to_text, kn_ends_with(to_text, "/") ? "" : "/",
                           relative);
}

/* ---- what from ---- */

static kn_code folder_list(struct cp *cp, const char *folder, const char *to, struct kn_error *err)
{
    char *const roots[] = {(char *)folder, NULL};
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (!walk)
        return kn_fail_errno(err, errno, "cannot read '%s'", folder);
    kn_code rc = KN_OK;
    size_t n_root = strlen(folder) + (kn_ends_with(folder, "/") ? 0 : 1);
    for (FTSENT *entry; rc == KN_OK && (entry = fts_read(walk));) {
        if (entry->fts_info == FTS_F)
            rc = pair_add(cp, kn_arena_strdup(cp->arena, entry->fts_path),
                          place_below(cp, to, entry->fts_path + n_root), err);
        else if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR)
            rc = kn_fail_errno(err, entry->fts_errno, "cannot read '%s'", entry->fts_path);
    }
    (void)fts_close(walk);
    return rc;
}

// One page of the objects below a prefix; *marker is the last key, "" at the end.
static kn_code prefix_page(struct cp *cp, const struct kn_uri *from, const char *prefix,
                           char marker[1024], const char *to, struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf query = {0};
    kn_buf_puts(&query, "max-keys=1000&prefix=");
    kn_percent(&query, prefix, strlen(prefix), false);
    kn_buf_puts(&query, "&marker=");
    kn_percent(&query, marker, strlen(marker), false);
    kn_auto(kn_http_exchange_clear) struct kn_http_exchange exchange = {0};
    kn_code rc = kn_remote_object(cp->remote,
                                  &(struct kn_remote_object){.method = "GET",
                                                             .bucket = from->bucket,
                                                             .query = kn_buf_text(&query)},
                                  &exchange, err);
    if (rc != KN_OK)
        return rc;
    json_auto_t *rows = kn_xml_rows(&exchange.answer, "Contents");
    kn_auto(kn_free) char *more = kn_xml_member(&exchange.answer, "IsTruncated");
    marker[0] = '\0';
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row)
    {
        const char *key = kn_json_get(row, "Key", ""), *relative = key + strlen(prefix);
        if (kn_equal(more, "true"))
            (void)kn_copy(marker, 1024, key);
        // A key that ends in '/' only marks a folder, and no name may lead out of the destination.
        if (!relative[0] || kn_ends_with(key, "/") || !kn_uri_key_is_valid(relative))
            continue;
        rc = pair_add(cp, kn_arena_printf(cp->arena, "oss://%s/%s", from->bucket, key),
                      place_below(cp, to, relative), err);
        if (rc != KN_OK)
            return rc;
    }
    return KN_OK;
}

static kn_code prefix_list(struct cp *cp, const struct kn_uri *from, const char *to,
                           struct kn_error *err)
{
    bool is_whole = !from->key[0] || kn_ends_with(from->key, "/");
    const char *prefix = is_whole ? from->key : kn_arena_printf(cp->arena, "%s/", from->key);
    char marker[1024] = "";
    kn_code rc = prefix ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for a name");
    do {
        if (rc == KN_OK)
            rc = prefix_page(cp, from, prefix, marker, to, err);
    } while (rc == KN_OK && marker[0]);
    if (rc == KN_OK && json_array_size(cp->pairs) == 0)
        return kn_fail(err, KN_ENOTFOUND, "there is nothing below '%s'", from->text);
    return rc;
}

static kn_code source_list(struct cp *cp, const char *from_text, const char *to_text,
                           struct kn_error *err)
{
    struct kn_uri from, to;
    kn_code rc = kn_uri_parse(&from, from_text, NULL, cp->arena, err);
    if (rc == KN_OK)
        rc = kn_uri_parse(&to, to_text, NULL, cp->arena, err);
    if (rc != KN_OK)
        return rc;
    if (from.kind == KN_URI_HTTP || to.kind == KN_URI_HTTP)
        return kn_fail(err, KN_EINVAL, "cp copies between files and oss://bucket/key, not URLs");
    if (from.kind == KN_URI_FILE && to.kind == KN_URI_FILE)
        return kn_fail(err, KN_EINVAL, "neither '%s' nor '%s' begins with oss://", from_text,
                       to_text);
    bool is_many = from.kind == KN_URI_FILE ? is_folder(from_text)
                                            : !from.key[0] || kn_ends_with(from.key, "/");
    if (is_many && !cp->options->is_recursive)
        return kn_fail(err, KN_EINVAL, "'%s' is a folder: copy what lies below it with -r",
                       from_text);
    if (cp->options->is_recursive && from.kind == KN_URI_OBJECT)
        return prefix_list(cp, &from, to_text, err);
    if (is_many)
        return folder_list(cp, from_text, to_text, err);
    return pair_add(cp, from_text,
                    place_of(cp, to_text, &to, from.kind == KN_URI_FILE ? from_text : from.key),
                    err);
}

/* ---- copying ---- */

static kn_code pair_copy(struct cp *cp, const json_t *pair, struct kn_error *err)
{
    const char *from_text = kn_json_get(pair, "From", ""), *to_text = kn_json_get(pair, "To", "");
    bool resumes = cp->options->resumes;
    struct kn_uri from, to;
    kn_code rc = kn_uri_parse(&from, from_text, NULL, cp->arena, err);
    if (rc == KN_OK)
        rc = kn_uri_parse(&to, to_text, NULL, cp->arena, err);
    if (rc != KN_OK)
        return rc;
    if (to.kind == KN_URI_FILE)
        return kn_transfer_download(cp->remote, from.bucket, from.key, to_text, resumes, err);
    if (from.kind == KN_URI_FILE)
        return kn_transfer_upload(cp->remote, from_text, to.bucket, to.key, resumes, err);
    return kn_transfer_copy(cp->remote, from.bucket, from.key, to.bucket, to.key, err);
}

static kn_code pairs_copy(struct cp *cp, json_t *copied, struct kn_error *err)
{
    size_t i;
    json_t *pair;
    json_array_foreach(cp->pairs, i, pair)
    {
        kn_code rc = pair_copy(cp, pair, err);
        if (rc != KN_OK)
            return rc;
        (void)json_array_append(copied, pair);
        if (!cp->remote->as_json)
            (void)printf("%s -> %s\n", kn_json_get(pair, "From", ""), kn_json_get(pair, "To", ""));
    }
    return KN_OK;
}

static kn_code cp_run(struct kn_remote *remote, int n, char **arguments, void *context,
                      struct kn_error *err)
{
    const struct cp_options *options = context;
    const char *to = arguments[n - 1];
    if (n > 2 && !kn_ends_with(to, "/"))
        return kn_fail(err, KN_EINVAL, "several sources want a folder: '%s/'", to);
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    json_auto_t *pairs = json_array();
    json_auto_t *copied = json_array();
    struct cp cp = {.remote = remote, .options = options, .arena = &arena, .pairs = pairs};
    kn_code rc = KN_OK;
    for (int i = 0; i < n - 1 && rc == KN_OK; i++)
        rc = source_list(&cp, arguments[i], to, err);
    if (rc == KN_OK)
        rc = pairs_copy(&cp, copied, err);
    if (remote->as_json)
        kn_cli_print_json(copied);
    if (rc == KN_ECANCELED)
        return kn_fail(err, rc, options->resumes ? "stopped: 'cp --resume' goes on from here"
                                                 : "stopped: nothing half-copied was left");
    return rc;
}

int kn_cmd_cp(int argc, char **argv)
{
    struct cp_options options = {0};
    const struct kn_option table[] = {
        KN_REMOTE_OPTIONS(options.flags),
        {"r", NULL, &options.is_recursive},
        {"recursive", NULL, &options.is_recursive},
        {"resume", NULL, &options.resumes},
        {NULL, NULL, NULL},
    };
    static const struct kn_verb verbs[] = {
        {NULL, 2, 10000, "a source and a destination", cp_run},
        {NULL, 0, 0, NULL, NULL},
    };
    const struct kn_verbs command = {
        .command = "cp",
        .help = "usage: kinora cp [-r] [--resume] SOURCE… DESTINATION\n\n"
                "Copy between files and objects (oss://bucket/key). A destination that ends in '/'\n"
                "takes the source's name. Large files go up in parts; the CRC-64 of both sides is\n"
                "compared, and what is stopped leaves nothing half-copied behind.\n\n"
                "options\n"
                "  -r, --recursive       copy all that lies below a folder or a prefix\n"
                "  --resume              keep what has arrived when stopped, and go on with what an\n"
                "                        earlier --resume kept\n\n"
                "examples\n"
                "  kinora cp film.mov oss://films/in/\n"
                "  kinora cp oss://films/out/film.mp4 .\n"
                "  kinora cp -r rushes/ oss://films/rushes/\n"
                "  kinora cp oss://films/a.mp4 oss://archive/2026/a.mp4\n",
        .options = table,
        .flags = &options.flags,
        .verbs = verbs,
        .context = &options,
    };
    return kn_verbs_run(&command, argc, argv);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * RegisterMediaInfo and its sisters: giving files in buckets an id, and looking at them. The file's
 * size is read from the bucket at every look, so it is never stale; what only decoding tells (duration,
 * tracks) is not here: requests do no media work.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/call.h"
#include "api/ice/media.h"
#include "api/operations.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/uri.h"
#include "events/outbox.h"

// The vendor's figure (ICE DeleteMediaInfos).
#define MAX_DELETED 20

static const char *text_or(const char *text, const char *otherwise)
{
    return text && text[0] ? text : otherwise;
}

/* ---- addresses ---- */

/* InputURL in its canonical form, one that the caller's key may touch. */
static kn_code address_read(struct kn_call *call, const char *url, struct kn_uri *uri,
                            struct kn_error *err)
{
    struct kn_arena *arena = &call->arena;
    // The vendor's second form is OSS://bucket/key.
    if (strncasecmp(url, "oss://", 6) == 0)
        url = kn_arena_printf(arena, "oss://%s", url + 6);
    if (!url)
        return kn_fail(err, KN_ENOMEM, "no memory for an address");
    kn_code rc = kn_uri_parse(uri, url, call->api->config.oss_hosts, arena, err);
    if (rc == KN_OK && (uri->kind != KN_URI_OBJECT || !uri->key[0]))
        return kn_fail_as(err, KN_EINVAL, "InvalidParameter",
                          "'InputURL' must be an object in a bucket of this service");
    return rc == KN_OK ? kn_call_covers(call, uri->text, err) : rc;
}

/* The asset that MediaId, else InputURL, names. */
static kn_code media_read(struct kn_call *call, struct kn_media *media, struct kn_error *err)
{
    const char *id = kn_arg_text(call, "MediaId"), *url = kn_arg_text(call, "InputURL");
    struct kn_uri uri = {0};
    if (!id && !url)
        return kn_fail_as(err, KN_EINVAL, "MissingParameter", "'MediaId' or InputURL is needed");
    kn_code rc = id ? KN_OK : address_read(call, url, &uri, err);
    if (rc == KN_OK)
        rc = kn_media_find(call->api->config.db, id, uri.text, &call->arena, media, err);
    return rc == KN_OK && id ? kn_call_covers(call, media->uri, err) : rc;
}

/* ---- what is shown ---- */

static json_t *basic_json(const struct kn_media *media)
{
    json_t *out = json_object();
    kn_put_text(out, "MediaId", media->id);
    kn_put_text(out, "InputURL", media->uri);
    kn_put_text(out, "MediaType", media->media_type);
    kn_put_text(out, "BusinessType", media->business_type);
    kn_put_text(out, "Source", "oss");
    kn_put_text(out, "Title", media->title);
    kn_put_text(out, "Description", media->description);
    kn_put_text(out, "MediaTags", media->tags);
    kn_put_text(out, "CoverURL", media->cover_url);
    kn_put_text(out, "UserData", media->user_data);
    kn_put_text(out, "Status", "Normal");
    kn_put_time(out, "CreateTime", media->created_us);
    kn_put_time(out, "ModifiedTime", media->modified_us);
    return out;
}

static json_t *file_json(struct kn_call *call, const struct kn_media *media)
{
    struct kn_uri uri;
    kn_auto(kn_object_info_clear) struct kn_object_info info = {0};
    bool is_there = kn_uri_parse(&uri, media->uri, NULL, &call->arena, NULL) == KN_OK &&
                    kn_object_stat(call->api->config.store, uri.bucket, uri.key, &info, NULL) == KN_OK;
    json_t *basic = json_object();
    kn_put_text(basic, "FileName", kn_fs_name(media->uri));
    kn_put_text(basic, "FileStatus", is_there ? "Normal" : "Deleted");
    kn_put_text(basic, "FileType", "source_file");
    kn_put_text(basic, "FileUrl", media->uri);
    kn_put_text(basic, "Region", call->api->config.region);
    if (is_there)
        (void)json_object_set_new(basic, "FileSize",
                                  json_sprintf("%lld", (long long)info.size_bytes));
    return json_pack("{s:o}", "FileBasicInfo", basic);
}

static json_t *media_json(struct kn_call *call, const struct kn_media *media, bool has_file)
{
    json_t *out = json_object(), *files = json_array();
    kn_put_text(out, "MediaId", media->id);
    (void)json_object_set_new(out, "MediaBasicInfo", basic_json(media));
    if (has_file)
        (void)json_array_append_new(files, file_json(call, media));
    (void)json_object_set_new(out, "FileInfoList", files);
    return out;
}

kn_code kn_ice_get_media_info(struct kn_call *call, struct kn_error *err)
{
    struct kn_media media;
    kn_code rc = media_read(call, &media, err);
    if (rc == KN_OK)
        (void)json_object_set_new(call->answer, "MediaInfo", media_json(call, &media, true));
    return rc;
}

/* How every address begins that a key bound to a bucket covers; NULL for other keys, and without memory. */
static const char *covered_prefix(struct kn_call *call)
{
    const char *prefix = call->key.bucket_prefix;
    if (!prefix[0])
        return NULL;
    return kn_arena_printf(&call->arena, "oss://%s%s", prefix, strchr(prefix, '/') ? "" : "/");
}

kn_code kn_ice_list_media_basic_infos(struct kn_call *call, struct kn_error *err)
{
    const struct kn_media_filter filter = {
        .uri_prefix = covered_prefix(call),
        .media_type = kn_arg_text(call, "MediaType"),
        .business_type = kn_arg_text(call, "BusinessType"),
        .created_after_us = kn_arg_int(call, "StartTime", KN_NO_TIME),
        .created_until_us = kn_arg_int(call, "EndTime", KN_NO_TIME),
        .oldest_first = kn_equal(kn_arg_text(call, "SortBy"), "asc"),
        .limit = (int)kn_arg_int(call, "MaxResults", 10),
        .page_token = kn_arg_text(call, "NextToken"),
    };
    struct kn_media *list = NULL;
    size_t n = 0;
    char next_token[64];
    int64_t total = 0;
    if (call->key.bucket_prefix[0] && !filter.uri_prefix)
        return kn_fail(err, KN_ENOMEM, "no memory for a list");
    kn_code rc = kn_media_list(call->api->config.db, &filter, &call->arena, &list, &n, next_token,
                               &total, err);
    if (rc != KN_OK)
        return rc;
    bool has_file = json_is_true(kn_arg_json(call, "IncludeFileBasicInfo"));
    json_t *infos = json_array();
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(infos, media_json(call, &list[i], has_file));
    (void)json_object_set_new(call->answer, "MediaInfos", infos);
    (void)json_object_set_new(call->answer, "MaxResults", json_integer(filter.limit));
    (void)json_object_set_new(call->answer, "TotalCount", json_integer(total));
    (void)json_object_set_new(call->answer, "NextToken", json_string(next_token));
    return KN_OK;
}

/* ---- events: RegisterMediaComplete, DeleteMediaComplete (spec 02, 10.2) ---- */

static kn_code announce(struct kn_call *call, struct kn_tx *tx, const char *event_name,
                        const struct kn_media *media, struct kn_error *err)
{
    json_auto_t *data =
        media->user_data[0] == '{' ? json_loads(media->user_data, 0, NULL) : NULL;
    json_auto_t *body = json_pack("{s:s, s:s, s:s}", "Status", "Success", "MediaId", media->id,
                                  "MediaType", media->media_type);
    if (!body)
        return kn_fail(err, KN_ENOMEM, "no memory for an event");
    kn_put_text(body, "UserData", media->user_data);
    const struct kn_event event = {
        .name = event_name,
        .subject = media->id,
        .message_body = body,
        .notify_address = kn_json_get(data, "NotifyAddress", NULL),
        .account_id = strtoll(call->api->config.account_id, NULL, 10),
        .at_us = media->modified_us,
    };
    return kn_outbox_add(tx, &event, err);
}

/* ---- registering ---- */

/* What the object says it is; a bucket's default type says nothing, and most assets are films. */
static const char *type_of(const struct kn_object_info *info)
{
    static const char *const types[] = {"image", "audio", "text", "video"};
    for (size_t i = 0; i < KN_COUNT(types); i++) {
        size_t n = strlen(types[i]);
        if (strncmp(info->content_type, types[i], n) == 0 && info->content_type[n] == '/')
            return types[i];
    }
    return "video";
}

/* What can be given at registration and changed later; absent ones stay as they are. */
static void attributes_read(const struct kn_call *call, struct kn_media *media)
{
    const struct {
        const char *name, **out;
    } texts[] = {{"BusinessType", &media->business_type}, {"Title", &media->title},
                 {"Description", &media->description},    {"MediaTags", &media->tags},
                 {"CoverURL", &media->cover_url},         {"UserData", &media->user_data}};
    for (size_t i = 0; i < KN_COUNT(texts); i++) {
        if (kn_arg_has(call, texts[i].name))
            *texts[i].out = kn_arg_text(call, texts[i].name);
    }
    media->modified_us = kn_now_us();
}

struct change {
    struct kn_call *call;
    struct kn_media *media;
};

static kn_code register_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct change *change = context;
    bool is_new = false;
    bool overwrites = json_is_true(kn_arg_json(change->call, "Overwrite"));
    kn_code rc = kn_media_register(tx, change->media, overwrites, &is_new, err);
    return rc == KN_OK && is_new
               ? announce(change->call, tx, "RegisterMediaComplete", change->media, err)
               : rc;
}

kn_code kn_ice_register_media_info(struct kn_call *call, struct kn_error *err)
{
    struct kn_uri uri;
    kn_auto(kn_object_info_clear) struct kn_object_info info = {0};
    kn_code rc = address_read(call, kn_arg_text(call, "InputURL"), &uri, err);
    if (rc == KN_OK)
        rc = kn_object_stat(call->api->config.store, uri.bucket, uri.key, &info, err);
    if (rc != KN_OK)
        return rc;
    struct kn_media media = {.uri = uri.text,
                             .media_type = text_or(kn_arg_text(call, "MediaType"), type_of(&info)),
                             .business_type = "general",
                             .title = kn_fs_name(uri.text),
                             .description = "",
                             .tags = "",
                             .cover_url = "",
                             .user_data = ""};
    attributes_read(call, &media);
    media.created_us = media.modified_us;
    struct change change = {call, &media};
    rc = kn_call_write(call, register_tx, &change, err);
    if (rc == KN_OK)
        kn_put_text(call->answer, "MediaId", media.id);
    return rc;
}

static kn_code update_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct change *change = context;
    return kn_media_update(tx, change->media, err);
}

kn_code kn_ice_update_media_info(struct kn_call *call, struct kn_error *err)
{
    struct kn_media media;
    kn_code rc = media_read(call, &media, err);
    if (rc != KN_OK)
        return rc;
    attributes_read(call, &media);
    struct change change = {call, &media};
    rc = kn_call_write(call, update_tx, &change, err);
    if (rc == KN_OK)
        kn_put_text(call->answer, "MediaId", media.id);
    return rc;
}

/* ---- deleting ---- */

static kn_code delete_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct change *change = context;
    kn_code rc = kn_media_delete(tx, change->media->id, err);
    return rc == KN_OK ? announce(change->call, tx, "DeleteMediaComplete", change->media, err) : rc;
}

/* The asset, then its file when that was asked for: a file without an id can still be found. */
static kn_code media_remove(struct kn_call *call, struct kn_media *media, struct kn_error *err)
{
    struct change change = {call, media};
    struct kn_uri uri;
    media->modified_us = kn_now_us();
    kn_code rc = kn_call_write(call, delete_tx, &change, err);
    if (rc != KN_OK || !json_is_true(kn_arg_json(call, "DeletePhysicalFiles")))
        return rc;
    rc = kn_uri_parse(&uri, media->uri, NULL, &call->arena, err);
    return rc == KN_OK
               ? kn_object_delete(call->api->config.store, uri.bucket, uri.key, NULL, err)
               : rc;
}

kn_code kn_ice_delete_media_infos(struct kn_call *call, struct kn_error *err)
{
    bool has_ids = kn_arg_has(call, "MediaIds");
    const json_t *names = kn_arg_json(call, has_ids ? "MediaIds" : "InputURLs");
    if (json_array_size(names) == 0)
        return kn_fail_as(err, KN_EINVAL, "MissingParameter", "'MediaIds' or InputURLs is needed");
    if (json_array_size(names) > MAX_DELETED)
        return kn_fail_as(err, KN_EINVAL, "OutOfRange", "'MediaIds' has more than %d entries",
                          MAX_DELETED);
    json_t *ignored = json_array(), *forbidden = json_array();
    (void)json_object_set_new(call->answer, "IgnoredList", ignored);
    (void)json_object_set_new(call->answer, "ForbiddenList", forbidden);
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        struct kn_media media;
        struct kn_uri uri = {0};
        struct kn_error why = {0};
        kn_code rc = has_ids ? KN_OK : address_read(call, name, &uri, &why);
        if (rc == KN_OK)
            rc = kn_media_find(call->api->config.db, has_ids ? name : NULL, uri.text, &call->arena,
                               &media, &why);
        if (rc == KN_OK)
            rc = kn_call_covers(call, media.uri, &why);
        if (rc == KN_OK)
            rc = media_remove(call, &media, &why);
        if (rc != KN_OK && rc != KN_EINVAL && rc != KN_ENOTFOUND)
            return kn_fail(err, rc, "%s", why.message);
        if (rc != KN_OK)
            (void)json_array_append_new(
                strcmp(why.reason, "ResourceAccess") == 0 ? forbidden : ignored, json_string(name));
    }
    return KN_OK;
}

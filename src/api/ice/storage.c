/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Storage locations (spec 02, section 9): the buckets of this service, and the one that temporary files
 * of online editing go to. The latter is the setting "ice.default_storage", {"StorageType","Bucket","Path"}.
 */
#include <string.h>

#include "api/call.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/time.h"
#include "db/settings.h"
#include "api/operations.h"

#define SETTING "ice.default_storage"
// The vendor's id of the application every account has; there is no other here.
#define APP_ID "app-1000000"

/* A new reference: the location, or an empty object when none was set. */
static kn_code location_load(struct kn_call *call, json_t **out, struct kn_error *err)
{
    kn_auto(kn_free) char *text = NULL;
    kn_code rc = kn_settings_get(call->api->config.db, SETTING, &text, err);
    if (rc != KN_OK)
        return rc;
    if (text)
        return kn_json_parse(out, text, strlen(text), SETTING, err);
    *out = json_object();
    return KN_OK;
}

kn_code kn_ice_set_default_storage_location(struct kn_call *call, struct kn_error *err)
{
    kn_auto(kn_bucket_clear) struct kn_bucket bucket = {0};
    const char *name = kn_arg_text(call, "Bucket"), *path = kn_arg_text(call, "Path");
    const char *type = kn_arg_text(call, "StorageType");
    kn_code rc = kn_bucket_get(call->api->config.store, name, &bucket, err);
    if (rc != KN_OK)
        return rc;
    if (!type)
        type = "user_oss_bucket";
    if (!path || strcmp(type, "vod_oss_bucket") == 0)
        path = "";
    json_auto_t *location =
        json_pack("{s:s, s:s, s:s}", "StorageType", type, "Bucket", name, "Path", path);
    kn_auto(kn_free) char *text = location ? kn_json_text(location) : NULL;
    if (!text)
        return kn_fail(err, KN_ENOMEM, "no memory for the location");
    rc = kn_settings_set(call->api->config.db, SETTING, text, err);
    if (rc == KN_OK)
        kn_answer_success(call);
    return rc;
}

static bool bucket_is_there(struct kn_call *call, const char *name)
{
    kn_auto(kn_bucket_clear) struct kn_bucket bucket = {0};
    return name[0] && kn_bucket_get(call->api->config.store, name, &bucket, NULL) == KN_OK;
}

kn_code kn_ice_get_default_storage_location(struct kn_call *call, struct kn_error *err)
{
    json_auto_t *location = NULL;
    kn_code rc = location_load(call, &location, err);
    if (rc != KN_OK)
        return rc;
    const char *bucket = kn_json_get(location, "Bucket", "");
    json_t *answer = call->answer;
    (void)json_object_set_new(
        answer, "StorageType", json_string(kn_json_get(location, "StorageType", "user_oss_bucket")));
    (void)json_object_set_new(answer, "Bucket", json_string(bucket));
    (void)json_object_set_new(answer, "Path", json_string(kn_json_get(location, "Path", "")));
    kn_put_text(answer, "Status", bucket_is_there(call, bucket) ? "Normal" : "notExist");
    return KN_OK;
}

static json_t *storage_json(const char *type, const char *bucket, const char *path,
                            const char *status, bool is_default, int64_t created_us)
{
    json_t *out = json_object();
    kn_put_text(out, "StorageType", type);
    kn_put_text(out, "StorageLocation", bucket);
    (void)json_object_set_new(out, "Path", json_string(path));
    kn_put_text(out, "Status", status);
    (void)json_object_set_new(out, "DefaultStorage", json_boolean(is_default));
    (void)json_object_set_new(out, "EditingTempFileStorage", json_boolean(is_default));
    kn_put_text(out, "AppId", APP_ID);
    char iso[24];
    kn_time_iso(iso, created_us);
    (void)json_object_set_new(out, "CreationTime", json_string(iso));
    (void)json_object_set_new(out, "ModifiedTime", json_string(iso));
    return out;
}

kn_code kn_ice_get_storage_list(struct kn_call *call, struct kn_error *err)
{
    json_auto_t *location = NULL;
    kn_code rc = location_load(call, &location, err);
    if (rc != KN_OK)
        return rc;
    const char *wanted_type = kn_arg_text(call, "StorageType");
    const char *wanted_status = kn_arg_text(call, "Status");
    const char *wanted_app = kn_arg_text(call, "AppId");
    const char *default_bucket = kn_json_get(location, "Bucket", "");
    const char *default_type = kn_json_get(location, "StorageType", "user_oss_bucket");

    kn_auto(kn_free) struct kn_bucket *buckets = NULL;
    size_t n = 0;
    rc = kn_bucket_list(call->api->config.store, &buckets, &n, err);
    if (rc != KN_OK)
        return rc;
    json_t *list = json_array();
    bool is_default_listed = false;
    for (size_t i = 0; i < n; i++) {
        bool is_default = strcmp(buckets[i].name, default_bucket) == 0;
        const char *type = is_default ? default_type : "user_oss_bucket";
        is_default_listed |= is_default;
        bool is_wanted = (!wanted_type || strcmp(wanted_type, type) == 0) &&
                         (!wanted_status || strcmp(wanted_status, "Normal") == 0) &&
                         (!wanted_app || strcmp(wanted_app, APP_ID) == 0);
        if (is_wanted)
            (void)json_array_append_new(
                list, storage_json(type, buckets[i].name,
                                   is_default ? kn_json_get(location, "Path", "") : "", "Normal",
                                   is_default, buckets[i].created_us));
        kn_bucket_clear(&buckets[i]);
    }
    // A default whose bucket was deleted since.
    if (default_bucket[0] && !is_default_listed &&
        (!wanted_type || strcmp(wanted_type, default_type) == 0) &&
        (!wanted_status || strcmp(wanted_status, "notExist") == 0))
        (void)json_array_append_new(list,
                                    storage_json(default_type, default_bucket,
                                                 kn_json_get(location, "Path", ""), "notExist", true,
                                                 KN_NO_TIME));
    (void)json_object_set_new(call->answer, "StorageInfoList", list);
    return KN_OK;
}

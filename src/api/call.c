/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What handlers share: reading arguments, building answers. */
#include "api/call.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"

bool kn_arg_has(const struct kn_call *call, const char *name)
{
    return json_object_get(call->args, name) != NULL;
}

const char *kn_arg_text(const struct kn_call *call, const char *name)
{
    return json_string_value(json_object_get(call->args, name));
}

int64_t kn_arg_int(const struct kn_call *call, const char *name, int64_t otherwise)
{
    const json_t *value = json_object_get(call->args, name);
    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

json_t *kn_arg_json(const struct kn_call *call, const char *name)
{
    return json_object_get(call->args, name);
}

const char *kn_arg_source(struct kn_call *call, const char *name)
{
    const json_t *sent = json_object_get(call->params, name);
    if (json_is_string(sent) && json_string_length(sent) > 0)
        return json_string_value(sent);
    const json_t *value = json_object_get(call->args, name);
    kn_auto(kn_free) char *text = value ? kn_json_text(value) : NULL;
    return text ? kn_arena_strdup(&call->arena, text) : NULL;
}

kn_code kn_call_covers(const struct kn_call *call, const char *uri, struct kn_error *err)
{
    const char *bucket = uri + strlen("oss://");
    size_t n = strcspn(bucket, "/");
    char name[64];
    if (!kn_starts_with(uri, "oss://") || n >= sizeof(name))
        return kn_fail_as(err, KN_EINVAL, "BucketNameInvalid", "'%s' names no bucket", uri);
    memcpy(name, bucket, n);
    name[n] = '\0';
    if (kn_key_covers(&call->key, name, bucket[n] ? bucket + n + 1 : ""))
        return KN_OK;
    return kn_fail_as(err, KN_EINVAL, "ResourceAccess", "this access key may not touch '%s'", uri);
}

static bool covers_all(const struct kn_call *call, const json_t *value)
{
    const char *text = json_string_value(value), *name;
    json_t *member;
    size_t i;
    if (text)
        return !kn_starts_with(text, "oss://") || kn_call_covers(call, text, NULL) == KN_OK;
    json_array_foreach((json_t *)value, i, member) {
        if (!covers_all(call, member))
            return false;
    }
    json_object_foreach((json_t *)value, name, member) {
        if (!covers_all(call, member))
            return false;
    }
    return true;
}

bool kn_call_sees(const struct kn_call *call, const char *spec)
{
    if (!call->key.bucket_prefix[0])
        return true;
    json_auto_t *value = spec ? json_loads(spec, 0, NULL) : NULL;
    return value && covers_all(call, value);
}

kn_code kn_call_unbound(const struct kn_call *call, struct kn_error *err)
{
    if (!call->key.bucket_prefix[0])
        return KN_OK;
    return kn_fail_as(err, KN_EINVAL, "NoPermission", "a key that is bound to a bucket may not do this");
}

void kn_put_text(json_t *object, const char *name, const char *text)
{
    if (text && text[0])
        (void)json_object_set_new(object, name, json_string(text));
}

void kn_put_time(json_t *object, const char *name, int64_t time_us)
{
    char iso[24];
    kn_time_iso(iso, time_us);
    kn_put_text(object, name, iso);
}

void kn_answer_success(struct kn_call *call)
{
    (void)json_object_set_new(call->answer, "Success", json_true());
}

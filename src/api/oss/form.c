/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * PostObject: a browser's form puts an object (spec 09, 4.5). The fields come before the file and say
 * who may do this: a policy signed with somebody's key, or nothing, which only a public-read-write
 * bucket accepts. Signatures in header or URL are ignored here, as the cloud does.
 */
#include <string.h>

#include "api/oss/call.h"
#include "api/oss/callback.h"
#include "api/oss/policy.h"
#include "base/cleanup.h"
#include "base/encode.h"
#include "base/limits.h"
#include "base/strings.h"
#include "objects/store.h"

#define READ_BYTES (64 * 1024)
#define MAX_FIELD_BYTES 4096 // PostObject: form fields except file
#define MAX_FIELDS 100

struct form {
    struct kn_oss_call *call; // borrowed
    struct kn_buf raw;        // read, not yet used
    char delimiter[80];       // "\r\n--boundary"
    struct kn_oss_form fields;
    char file_name[256];
    char file_type[128];
};

static void form_clear(struct form *form)
{
    kn_buf_clear(&form->raw);
}

static kn_code malformed(struct kn_error *err, const char *what)
{
    return kn_fail_as(err, KN_EINVAL, "MalformedPOSTRequest",
                      "the body of your POST request is not well-formed multipart/form-data: %s",
                      what);
}

/* ---- reading parts ---- */

static kn_code raw_more(struct form *form, struct kn_error *err)
{
    struct kn_buf *raw = &form->raw;
    size_t got = 0;
    if (!kn_buf_reserve(raw, READ_BYTES))
        return kn_fail(err, KN_ENOMEM, "no memory to read a form");
    kn_code rc = kn_http_body_read(form->call->request, raw->data + raw->len, READ_BYTES, &got,
                                   err);
    if (rc != KN_OK)
        return rc;
    if (got == 0)
        return malformed(err, "it ends too early");
    raw->len += got;
    raw->data[raw->len] = '\0';
    form->call->bytes_in += (int64_t)got;
    return KN_OK;
}

// Until raw holds `text` within `limit` bytes; *out_at is where.
static kn_code raw_find(struct form *form, const char *text, size_t limit, size_t *out_at,
                        struct kn_error *err)
{
    for (;;) {
        const char *found = form->raw.len ? memmem(form->raw.data, form->raw.len, text,
                                                   strlen(text))
                                          : NULL;
        if (found && (size_t)(found - form->raw.data) <= limit) {
            *out_at = (size_t)(found - form->raw.data);
            return KN_OK;
        }
        if (found || form->raw.len > limit + strlen(text))
            return malformed(err, "a field is too long");
        kn_code rc = raw_more(form, err);
        if (rc != KN_OK)
            return rc;
    }
}

static kn_code form_start(struct form *form, struct kn_error *err)
{
    const char *type = kn_http_header(form->call->request, "Content-Type");
    const char *boundary = type ? strcasestr(type, "boundary=") : NULL;
    if (!boundary)
        return malformed(err, "no boundary");
    boundary += strlen("boundary=");
    bool is_quoted = *boundary == '"';
    boundary += is_quoted;
    size_t n = strcspn(boundary, is_quoted ? "\"" : "; ");
    if (n == 0 || n > 70) // RFC 2046, 5.1.1
        return malformed(err, "no boundary");
    (void)snprintf(form->delimiter, sizeof(form->delimiter), "\r\n--%.*s", (int)n, boundary);
    kn_buf_puts(&form->raw, "\r\n"); // the first delimiter stands at the very start
    size_t at;
    kn_code rc = raw_find(form, form->delimiter, MAX_FIELD_BYTES, &at, err);
    if (rc == KN_OK)
        kn_buf_drop_front(&form->raw, at + strlen(form->delimiter));
    return rc;
}

// The value of `name="…"` in a Content-Disposition; false when absent.
static bool disposition_get(const char *line, const char *name, char *out, size_t size)
{
    char wanted[32];
    (void)snprintf(wanted, sizeof(wanted), "; %s=\"", name);
    const char *at = strcasestr(line, wanted);
    if (!at)
        return false;
    at += strlen(wanted);
    size_t n = strcspn(at, "\"\r\n");
    if (n >= size)
        return false;
    memcpy(out, at, n);
    out[n] = '\0';
    return true;
}

// The head of the next part; *out_is_file for the one named "file".
static kn_code part_head(struct form *form, char name[128], bool *out_is_file,
                         struct kn_error *err)
{
    size_t n_head;
    kn_code rc = raw_find(form, "\r\n\r\n", MAX_FIELD_BYTES, &n_head, err);
    if (rc != KN_OK)
        return rc;
    const char *head = form->raw.data;
    if (kn_starts_with(head, "--"))
        return kn_fail_as(err, KN_EINVAL, "FilePartNotExist", "the form has no file");
    char *copy = kn_arena_strndup(&form->call->arena, head, n_head);
    const char *line = copy ? strcasestr(copy, "content-disposition:") : NULL;
    if (!line || !disposition_get(line, "name", name, 128))
        return malformed(err, "a field without a name");
    *out_is_file = strcmp(name, "file") == 0;
    if (*out_is_file) {
        (void)disposition_get(line, "filename", form->file_name, sizeof(form->file_name));
        const char *type = strcasestr(copy, "content-type:");
        if (type) {
            type += strlen("content-type:");
            type += strspn(type, " ");
            size_t n = strcspn(type, "\r\n");
            if (n < sizeof(form->file_type))
                memcpy(form->file_type, type, n); // the rest is zero
        }
    }
    kn_buf_drop_front(&form->raw, n_head + 4);
    return KN_OK;
}

// Everything up to the file's first byte.
static kn_code fields_read(struct form *form, struct kn_error *err)
{
    struct kn_arena *arena = &form->call->arena;
    form->fields.items = kn_arena_array(arena, MAX_FIELDS, sizeof(*form->fields.items));
    if (!form->fields.items)
        return kn_fail(err, KN_ENOMEM, "no memory to read a form");
    for (;;) {
        char name[128];
        bool is_file = false;
        size_t n_value;
        kn_code rc = part_head(form, name, &is_file, err);
        if (rc != KN_OK || is_file)
            return rc;
        rc = raw_find(form, form->delimiter, MAX_FIELD_BYTES, &n_value, err);
        if (rc != KN_OK)
            return rc;
        if (form->fields.n == MAX_FIELDS)
            return malformed(err, "too many fields");
        struct kn_pair *field = &form->fields.items[form->fields.n++];
        field->name = kn_arena_strdup(arena, name);
        field->value = kn_arena_strndup(arena, form->raw.data, n_value);
        if (!field->name || !field->value)
            return kn_fail(err, KN_ENOMEM, "no memory to read a form");
        kn_buf_drop_front(&form->raw, n_value + strlen(form->delimiter));
    }
}

static kn_code file_store(struct form *form, struct kn_object_writer *writer, int64_t *out_size,
                          struct kn_error *err)
{
    size_t n_delimiter = strlen(form->delimiter);
    struct kn_buf *raw = &form->raw;
    *out_size = 0;
    for (;;) {
        const char *end = raw->len ? memmem(raw->data, raw->len, form->delimiter, n_delimiter)
                                   : NULL;
        // Without a delimiter in sight, its beginning may still be at the end of what we have.
        size_t n = end                       ? (size_t)(end - raw->data)
                   : raw->len >= n_delimiter ? raw->len - n_delimiter + 1
                                             : 0;
        kn_code rc = n ? kn_object_write(writer, raw->data, n, err) : KN_OK;
        if (rc != KN_OK)
            return rc;
        kn_buf_drop_front(raw, n);
        *out_size += (int64_t)n;
        if (*out_size > KN_MAX_PUT_BYTES)
            return kn_fail_as(err, KN_EINVAL, "EntityTooLarge",
                              "your proposed upload exceeds the maximum allowed size");
        if (end)
            return KN_OK;
        rc = raw_more(form, err);
        if (rc != KN_OK)
            return rc;
    }
}

/* ---- the object ---- */

// ${filename} in the key is the name the user's machine gave, without its folders.
static const char *key_make(struct form *form, const char *pattern)
{
    const char *base = form->file_name;
    for (const char *p = base; *p; p++)
        if (*p == '/' || *p == '\\')
            base = p + 1;
    const char *at = strstr(pattern, "${filename}");
    if (!at)
        return pattern;
    return kn_arena_printf(&form->call->arena, "%.*s%s%s", (int)(at - pattern), pattern, base,
                           at + strlen("${filename}"));
}

static json_t *meta_make(const struct kn_oss_form *fields)
{
    static const char *const plain[] = {"Cache-Control", "Content-Disposition", "Content-Encoding",
                                        "Expires"};
    json_t *meta = json_object();
    for (size_t i = 0; i < fields->n; i++) {
        const struct kn_pair *field = &fields->items[i];
        if (strncasecmp(field->name, "x-oss-meta-", 11) == 0 ||
            strncasecmp(field->name, "x-amz-meta-", 11) == 0)
            (void)json_object_set_new(meta, field->name + 11, json_string(field->value));
        for (size_t k = 0; k < KN_COUNT(plain); k++)
            if (kn_equal_nocase(field->name, plain[k]) && !strpbrk(field->value, "\r\n"))
                (void)json_object_set_new(meta, plain[k], json_string(field->value));
    }
    return meta;
}

static kn_code reply(struct kn_oss_call *call, const struct kn_oss_form *fields,
                     const struct kn_object_info *info, struct kn_error *err)
{
    const char *redirect = kn_oss_form_get(fields, "success_action_redirect");
    const char *status = kn_oss_form_get(fields, "success_action_status");
    kn_oss_set_etag(call, info->etag);
    kn_http_setf(call->request, "x-oss-hash-crc64ecma", "%llu", (unsigned long long)info->crc64);
    if (redirect && (kn_starts_with(redirect, "http://") || kn_starts_with(redirect, "https://")) &&
        !strpbrk(redirect, "\r\n")) {
        kn_auto(kn_buf_clear) struct kn_buf key = {0};
        kn_percent(&key, call->key, strlen(call->key), false);
        kn_http_setf(call->request, "Location", "%s%cbucket=%s&key=%s&etag=%%22%s%%22", redirect,
                     strchr(redirect, '?') ? '&' : '?', call->bucket, kn_buf_text(&key),
                     info->etag);
        return kn_oss_reply_empty(call, 303);
    }
    if (!kn_equal(status, "201"))
        return kn_oss_reply_empty(call, kn_equal(status, "200") ? 200 : 204);
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_oss_xml_open(&xml, call, "PostResponse");
    kn_xml(&xml, "Bucket", call->bucket);
    kn_oss_xml_location(&xml, call);
    kn_xml(&xml, "Key", call->key);
    kn_oss_xml_etag(&xml, call, info->etag);
    kn_buf_puts(&xml, "</PostResponse>");
    return kn_oss_reply_xml(call, 201, &xml, err);
}

static kn_code form_allow(struct form *form, int64_t *min, int64_t *max, struct kn_error *err)
{
    struct kn_oss_call *call = form->call;
    *min = 0;
    *max = KN_MAX_PUT_BYTES;
    kn_code rc = kn_oss_policy_check(call, &form->fields, min, max, err);
    if (rc != KN_OK || call->dialect != KN_OSS_ANONYMOUS)
        return rc == KN_OK ? kn_oss_allow(call, call->bucket, call->key, true, NULL, err) : rc;
    kn_auto(kn_object_info_clear) struct kn_object_info there = {0};
    rc = kn_object_stat(call->oss->config.store, call->bucket, call->key, &there, err);
    if (rc != KN_OK && !kn_equal(err->reason, "NoSuchKey"))
        return rc;
    return kn_oss_allow(call, call->bucket, call->key, true, rc == KN_OK ? there.acl : NULL, err);
}

kn_code kn_oss_form_post(struct kn_oss_call *call, struct kn_error *err)
{
    kn_auto(form_clear) struct form form = {.call = call};
    call->is_write = true;
    kn_code rc = form_start(&form, err);
    if (rc == KN_OK)
        rc = fields_read(&form, err);
    if (rc != KN_OK)
        return rc;
    const struct kn_oss_form *fields = &form.fields;
    const char *pattern = kn_oss_form_get(fields, "key");
    if (!pattern || !(call->key = key_make(&form, pattern)))
        return kn_fail_as(err, KN_EINVAL, "InvalidArgument", "the form has no key");
    int64_t min, max, size;
    rc = form_allow(&form, &min, &max, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_oss_callback_clear) struct kn_oss_callback callback = {0};
    rc = kn_oss_callback_read(&callback, call, fields, err);
    if (rc != KN_OK)
        return rc;
    rc = kn_oss_acl_check(kn_oss_form_get(fields, "x-oss-object-acl"), err);
    if (rc != KN_OK)
        return rc;
    json_auto_t *meta = meta_make(fields);
    const char *forbid = kn_oss_form_get(fields, "x-oss-forbid-overwrite");
    const char *type = kn_oss_form_get(fields, "Content-Type");
    struct kn_put_options options = {
        .content_type = type ? type : form.file_type[0] ? form.file_type : NULL,
        .acl = kn_oss_form_get(fields, "x-oss-object-acl"),
        .meta = meta,
        .forbid_overwrite = forbid && kn_equal_nocase(forbid, "true"),
        .event = "ObjectCreated:PostObject",
    };
    kn_auto(kn_object_writer_free) struct kn_object_writer *writer = NULL;
    kn_auto(kn_object_info_clear) struct kn_object_info info = {0};
    rc = kn_object_create(call->oss->config.store, call->bucket, call->key, &options, &writer, err);
    if (rc == KN_OK)
        rc = file_store(&form, writer, &size, err);
    if (rc == KN_OK && (size < min || size > max))
        return kn_fail_as(err, KN_EINVAL, size < min ? "EntityTooSmall" : "EntityTooLarge",
                          "your proposed upload is not within the policy's content-length-range");
    if (rc == KN_OK)
        rc = kn_object_commit(writer, &info, err);
    if (rc == KN_OK && callback.n_urls)
        return kn_oss_callback_make(&callback, call, &info, err);
    return rc == KN_OK ? reply(call, fields, &info, err) : rc;
}

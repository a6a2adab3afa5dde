/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Talking to a running service. RPC calls are form posts with a V1 signature, object requests carry
 * the OSS V1 header: the shortest of the forms the service takes (spec 01, section 4; 09, section 2.1).
 */
#include "cli/remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/signature.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/envfile.h"
#include "base/id.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"
#include "cli/cli.h"
#include "cli/suggest.h"
#include "cli/xml.h"

#define MAX_HEADERS 8

/* ---- where it is, and who we are ---- */

// Flag, environment, file: the first that says something. "" when none does.
static void setting_find(char *out, size_t size, const char *flag, const char *variable,
                         const char *folder, const char *file)
{
    const char *said = flag ? flag : getenv(variable);
    if (said && said[0]) {
        (void)kn_copy(out, size, said);
        return;
    }
    kn_auto(kn_free) char *path = NULL;
    out[0] = '\0';
    if (asprintf(&path, "%s/%s", folder, file) < 0) {
        path = NULL;
        return;
    }
    (void)kn_envfile_get(path, variable, out, size, NULL); // absent: nothing was said
}

static void address_tidy(char *url)
{
    size_t n = strlen(url);
    while (n > 0 && url[n - 1] == '/')
        url[--n] = '\0';
}

kn_code kn_remote_open(struct kn_remote *remote, const struct kn_remote_flags *flags,
                       struct kn_error *err)
{
    *remote = (struct kn_remote){.as_json = flags->as_json};
    const char *folder = flags->data ? flags->data : getenv("KINORA_DATA");
    if (!folder || !folder[0])
        folder = "kinora-data";
    setting_find(remote->api, sizeof(remote->api), flags->api, "KINORA_API", folder, "endpoints");
    setting_find(remote->oss, sizeof(remote->oss), flags->oss, "KINORA_OSS", folder, "endpoints");
    address_tidy(remote->api);
    address_tidy(remote->oss);
    if (!remote->api[0] && !remote->oss[0])
        return kn_fail_as(err, KN_ENOTFOUND, "NoService", "no service is known in '%s'", folder);
    setting_find(remote->key_id, sizeof(remote->key_id), NULL, "KINORA_ACCESS_KEY_ID", folder,
                 "credentials");
    setting_find(remote->key_secret, sizeof(remote->key_secret), NULL, "KINORA_ACCESS_KEY_SECRET",
                 folder, "credentials");
    if (!remote->key_id[0] || !remote->key_secret[0])
        return kn_fail_as(err, KN_ENOTFOUND, "NoKey", "no access key in '%s'", folder);
    // The operator named the address, so the rules for addresses in requests do not apply.
    return kn_http_client_new(&remote->client, &(struct kn_http_client_config){.trusts_all = true},
                              err);
}

void kn_remote_close(struct kn_remote *remote)
{
    kn_http_client_free(&remote->client);
    *remote = (struct kn_remote){0};
}

/* ---- errors ---- */

static kn_code code_of_status(int status)
{
    switch (status) {
    case 404: return KN_ENOTFOUND;
    case 409: return KN_ECONFLICT;
    case 429: return KN_ELIMIT;
    default: return status >= 500 ? KN_EIO : KN_EINVAL;
    }
}

static kn_code unreachable(struct kn_error *err, const char *url)
{
    kn_code rc = kn_error_prefix(err, "'%s' does not answer", url);
    (void)kn_copy(err->reason, sizeof(err->reason), "Unreachable");
    return rc;
}

static kn_code wire_fail(struct kn_error *err, int status, const char *code, const char *message)
{
    if (!code || !code[0])
        return kn_fail_as(err, code_of_status(status), "HttpStatus", "the service answered %d",
                          status);
    return kn_fail_as(err, code_of_status(status), code, "%s: %s", code, message ? message : "");
}

static const char *advice_of(const struct kn_error *err)
{
    static const struct {
        const char *reason, *advice;
    } rows[] = {
        {"NoService", "start 'kinora serve' here, or name it with --api, --oss or --data"},
        {"NoKey", "set KINORA_ACCESS_KEY_ID and KINORA_ACCESS_KEY_SECRET, or name the service's "
                  "folder with --data"},
        {"Unreachable", "start 'kinora serve', or name another with --api and --oss"},
        {"InvalidAccessKeyId", "look at KINORA_ACCESS_KEY_ID, or at credentials in --data"},
        {"InvalidAccessKeyId.NotFound", "look at KINORA_ACCESS_KEY_ID, or at credentials in --data"},
        {"SignatureDoesNotMatch", "look at KINORA_ACCESS_KEY_SECRET, or at credentials in --data"},
        {"RequestTimeTooSkewed", "set this machine's clock"},
        {"InvalidAction.NotFound", "docs/api lists the operations; --product names whose it is"},
        {"Forbidden.RAM", "use a key with more rights: 'kinora keys create --role'"},
        {"AccessDenied", "use a key with more rights: 'kinora keys create --role'"},
        {"DatabaseInUse", "stop that service, or go through its API with --api"},
        {"NoSuchBucket", "make it with 'kinora buckets create', or look at 'kinora buckets list'"},
    };
    for (size_t i = 0; i < KN_COUNT(rows); i++)
        if (strcmp(err->reason, rows[i].reason) == 0)
            return rows[i].advice;
    return NULL;
}

/* ---- RPC ---- */

static void form_write(struct kn_buf *out, const json_t *params)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)params, name, value)
    {
        const char *text = json_string_value(value);
        if (out->len)
            kn_buf_putc(out, '&');
        kn_percent(out, name, strlen(name), false);
        kn_buf_putc(out, '=');
        kn_percent(out, text, strlen(text), false);
    }
}

static kn_code form_sign(struct kn_buf *out, const struct kn_remote *remote, const char *version,
                         const char *action, const json_t *params, struct kn_error *err)
{
    char nonce[KN_ID_SIZE], now[24];
    kn_id_hex(nonce);
    kn_time_iso(now, kn_now_us());
    json_auto_t *all = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "Action", action,
                                 "Version", version, "AccessKeyId", remote->key_id, "Format", "JSON",
                                 "SignatureMethod", "HMAC-SHA1", "SignatureVersion", "1.0",
                                 "SignatureNonce", nonce, "Timestamp", now);
    if (!all || json_object_update(all, (json_t *)params) != 0)
        return kn_fail(err, KN_ENOMEM, "no memory for the call");
    kn_auto(kn_buf_clear) struct kn_buf to_sign = {0}, signature = {0};
    kn_v1_string_to_sign(&to_sign, "POST", all);
    kn_v1_signature(&signature, remote->key_secret, &to_sign);
    (void)json_object_set_new(all, "Signature", json_string(kn_buf_text(&signature)));
    form_write(out, all);
    return kn_buf_ok(out) ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for the call");
}

kn_code kn_remote_call(struct kn_remote *remote, const char *version, const char *action,
                       const json_t *params, json_t **out_answer, struct kn_error *err)
{
    *out_answer = NULL;
    if (!remote->api[0])
        return kn_fail_as(err, KN_ENOTFOUND, "NoService", "the API's address is not known");
    kn_auto(kn_buf_clear) struct kn_buf form = {0};
    kn_code rc = form_sign(&form, remote, version, action, params, err);
    if (rc != KN_OK)
        return rc;
    static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded",
                                          "Accept: application/json", NULL};
    kn_auto(kn_buf_clear) struct kn_buf url = {0};
    kn_buf_printf(&url, "%s/", remote->api);
    kn_auto(kn_http_exchange_clear) struct kn_http_exchange exchange = {
        .method = "POST",
        .url = kn_buf_text(&url),
        .headers = headers,
        .body = kn_buf_text(&form),
        .n_body = form.len,
    };
    if (kn_http_do(remote->client, &exchange, err) != KN_OK)
        return unreachable(err, remote->api);
    json_auto_t *answer = NULL;
    rc = kn_json_parse(&answer, kn_buf_text(&exchange.answer), exchange.answer.len, "the answer",
                       err);
    if (exchange.status >= 300)
        return wire_fail(err, exchange.status, kn_json_get(answer, "Code", NULL),
                         kn_json_get(answer, "Message", NULL));
    if (rc == KN_OK)
        *out_answer = KN_TAKE(answer);
    return rc;
}

/* ---- objects ---- */

static void resource_write(struct kn_buf *out, const struct kn_remote_object *object,
                           bool is_encoded)
{
    kn_buf_putc(out, '/');
    if (object->bucket)
        kn_buf_printf(out, "%s/", object->bucket);
    if (object->key && is_encoded)
        kn_percent(out, object->key, strlen(object->key), true);
    else if (object->key)
        kn_buf_puts(out, object->key);
    if (object->subresources)
        kn_buf_printf(out, "?%s", object->subresources);
    if (object->query && is_encoded)
        kn_buf_printf(out, "%c%s", object->subresources ? '&' : '?', object->query);
}

static void object_sign(struct kn_buf *out, const struct kn_remote *remote,
                        const struct kn_remote_object *object, const char *date)
{
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    kn_buf_printf(&text, "%s\n\n%s\n%s\n", object->method,
                  object->content_type ? object->content_type : "", date);
    if (object->copy_source)
        kn_buf_printf(&text, "x-oss-copy-source:%s\n", object->copy_source);
    kn_buf_printf(&text, "x-oss-date:%s\n", date);
    resource_write(&text, object, false);
    uint8_t mac[KN_SHA1_BYTES];
    kn_hmac_sha1(mac, remote->key_secret, strlen(remote->key_secret), kn_buf_text(&text), text.len);
    kn_buf_printf(out, "Authorization: OSS %s:", remote->key_id);
    kn_base64(out, mac, sizeof(mac));
}

static kn_code object_fail(struct kn_error *err, const struct kn_http_exchange *exchange)
{
    kn_auto(kn_free) char *code = kn_xml_member(&exchange->answer, "Code");
    kn_auto(kn_free) char *message = kn_xml_member(&exchange->answer, "Message");
    return wire_fail(err, exchange->status, code, message);
}

kn_code kn_remote_object(struct kn_remote *remote, const struct kn_remote_object *object,
                         struct kn_http_exchange *exchange, struct kn_error *err)
{
    if (!remote->oss[0])
        return kn_fail_as(err, KN_ENOTFOUND, "NoService", "the object store's address is not known");
    char date[32], date_line[64];
    kn_time_http(date, kn_now_us());
    (void)snprintf(date_line, sizeof(date_line), "x-oss-date: %s", date);
    kn_auto(kn_buf_clear) struct kn_buf url = {0}, authorization = {0}, type = {0}, source = {0},
                                       range = {0};
    kn_buf_puts(&url, remote->oss);
    resource_write(&url, object, true);
    object_sign(&authorization, remote, object, date);
    const char *headers[MAX_HEADERS] = {kn_buf_text(&authorization), date_line};
    size_t n = 2;
    // An empty one keeps libcurl from adding a form's type, which would not be signed.
    kn_buf_printf(&type, "Content-Type:%s%s", object->content_type ? " " : "",
                  object->content_type ? object->content_type : "");
    headers[n++] = kn_buf_text(&type);
    if (object->copy_source) {
        kn_buf_printf(&source, "x-oss-copy-source: %s", object->copy_source);
        headers[n++] = kn_buf_text(&source);
    }
    if (object->range) {
        kn_buf_printf(&range, "Range: %s", object->range);
        headers[n++] = kn_buf_text(&range);
    }
    if (!kn_buf_ok(&url) || !kn_buf_ok(&authorization) || !kn_buf_ok(&type) || !kn_buf_ok(&source) ||
        !kn_buf_ok(&range))
        return kn_fail(err, KN_ENOMEM, "no memory for the request");
    exchange->method = object->method;
    exchange->url = kn_buf_text(&url);
    exchange->headers = headers;
    kn_code rc = kn_http_do(remote->client, exchange, err);
    exchange->url = NULL; // they lie in buffers of this function
    exchange->headers = NULL;
    if (rc != KN_OK)
        return rc == KN_ECANCELED ? rc : unreachable(err, remote->oss);
    return exchange->status >= 300 ? object_fail(err, exchange) : KN_OK;
}

/* ---- verbs ---- */

static void verbs_help(const struct kn_verbs *verbs)
{
    (void)fputs(verbs->help, stdout);
    (void)puts("\nthe service\n"
               "  --data DIR            the data folder of 'kinora serve' (KINORA_DATA, ./kinora-data):\n"
               "                        its addresses and first key\n"
               "  --api URL             its API (KINORA_API)\n"
               "  --oss URL             its object store (KINORA_OSS)\n"
               "  --json                print JSON\n"
               "  --help\n"
               "The key is KINORA_ACCESS_KEY_ID and KINORA_ACCESS_KEY_SECRET, else the folder's own.");
}

static void verb_unknown(const struct kn_verbs *verbs, const char *word)
{
    const char *names[16];
    size_t n = 0;
    for (const struct kn_verb *verb = verbs->verbs; verb->run && n < KN_COUNT(names); verb++)
        names[n++] = verb->name;
    kn_auto(kn_buf_clear) struct kn_buf near = {0};
    kn_suggest(&near, word, "", names, n);
    (void)kn_cli_usage(verbs->command, "'%s' is nothing that %s does%s", word, verbs->command,
                       kn_buf_text(&near));
}

// The verb that argv[1] names, or the only one; NULL with a complaint.
static const struct kn_verb *verb_find(const struct kn_verbs *verbs, int argc, char **argv)
{
    const struct kn_verb *verb = verbs->verbs;
    if (!verb->name)
        return verb;
    for (; argc > 1 && verb->run; verb++)
        if (strcmp(verb->name, argv[1]) == 0)
            return verb;
    if (argc > 1)
        verb_unknown(verbs, argv[1]);
    else
        (void)kn_cli_usage(verbs->command, "what should %s do", verbs->command);
    return NULL;
}

int kn_verbs_run(const struct kn_verbs *verbs, int argc, char **argv)
{
    struct kn_error err = {0};
    if (kn_options_read(verbs->options, &argc, argv, &err) != KN_OK)
        return kn_cli_usage(verbs->command, "%s", err.message);
    if (verbs->flags->help)
        return verbs_help(verbs), KN_EXIT_OK;
    const struct kn_verb *verb = verb_find(verbs, argc, argv);
    if (!verb)
        return KN_EXIT_USAGE;
    int n_before = verb->name ? 2 : 1;
    int n = argc - n_before;
    if (n < verb->n_min || n > verb->n_max)
        return kn_cli_usage(verbs->command, "%s%s%s wants %s", verbs->command,
                            verb->name ? " " : "", verb->name ? verb->name : "", verb->arguments);
    kn_auto(kn_remote_close) struct kn_remote remote = {0};
    remote.as_json = verbs->flags->as_json;
    kn_code rc = verbs->opens_itself ? KN_OK : kn_remote_open(&remote, verbs->flags, &err);
    if (rc == KN_OK)
        rc = verb->run(&remote, n, argv + n_before, verbs->context, &err);
    return rc == KN_OK ? KN_EXIT_OK : kn_cli_fail(&err, advice_of(&err));
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One request is a struct s3_request; request_do() addresses, signs, sends and repeats it. Bodies are
 * in memory, so that a request can always be sent again.
 */
#include "objects/s3.h"

#include <stdatomic.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/tree.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/log.h"
#include "base/strings.h"
#include "base/time.h"
#include "http/client.h"
#include "http/sigv4.h"

#define RETRY_US (10 * KN_SECOND)
#define FIRST_PAUSE_US (KN_SECOND / 10)
// A request may take this long, and a second more for each 64 KiB it moves.
#define REQUEST_US (30 * KN_SECOND)
#define SLOWEST_BYTES_PER_SECOND (64 * 1024)
#define MAX_HEADERS 8

struct kn_s3 {
    struct kn_http_client *client; // owned
    char *base;      // owned: "http://host:port"
    char *host;      // owned: as in the Host header
    char *bucket;    // owned
    char *prefix;    // owned: "" or "…/"
    char *region, *key_id, *secret, *token; // owned; token NULL when none
    bool bucket_in_path, is_tls;
    int64_t retry_us;
    atomic_bool is_away;       // what the log was told last
    atomic_llong answered_us;  // kn_mono_us() of the last answer, 0: none
};

struct s3_request {
    const char *method;
    const char *name;       // without prefix; NULL: the bucket itself
    const char *query;      // encoded, sorted; NULL: none
    const char *copy_from;  // with prefix; NULL: none
    const char *copy_range;
    const char *range;
    const void *body;
    size_t n_body;
    // answer
    char *into;             // borrowed; NULL: the answer is collected
    size_t n_into, got;
    struct kn_buf text;     // the answer, or the error
    int status, n_tries;
    bool is_impatient;      // one try
    struct kn_s3_etag etag;
    const struct kn_http_exchange *exchange; // while it runs
};

static void request_clear(struct s3_request *request)
{
    kn_buf_clear(&request->text);
}

/* ---- open ---- */

static char *dup_or_null(const char *text)
{
    return text && text[0] ? strdup(text) : NULL;
}

// s3://BUCKET[/PREFIX]
static bool url_split(struct kn_s3 *s3, const char *url)
{
    const char *bucket = url + strlen("s3://");
    size_t n = strcspn(bucket, "/");
    const char *prefix = bucket[n] ? bucket + n + 1 : "";
    size_t n_prefix = strlen(prefix);
    while (n_prefix > 0 && prefix[n_prefix - 1] == '/')
        n_prefix--;
    s3->bucket = strndup(bucket, n);
    s3->prefix = malloc(n_prefix + 2);
    if (!s3->bucket || !s3->prefix)
        return false;
    (void)snprintf(s3->prefix, n_prefix + 2, "%.*s%s", (int)n_prefix, prefix, n_prefix ? "/" : "");
    return true;
}

static kn_code endpoint_read(struct kn_s3 *s3, const char *endpoint, struct kn_error *err)
{
    char aws[300];
    if (!endpoint || endpoint[0] == '\0') {
        (void)snprintf(aws, sizeof(aws), "https://%s.s3.%s.amazonaws.com", s3->bucket, s3->region);
        endpoint = aws;
    }
    s3->is_tls = kn_starts_with(endpoint, "https://");
    if (!s3->is_tls && !kn_starts_with(endpoint, "http://"))
        return kn_fail(err, KN_EINVAL, "storage_endpoint '%s' does not begin with http:// or https://",
                       endpoint);
    s3->base = strdup(endpoint);
    if (!s3->base)
        return kn_fail(err, KN_ENOMEM, "no memory for the object store");
    for (size_t n = strlen(s3->base); n > 0 && s3->base[n - 1] == '/'; n--)
        s3->base[n - 1] = '\0';
    const char *host = strstr(s3->base, "://") + 3;
    if (host[0] == '\0' || strpbrk(host, "/?#@"))
        return kn_fail(err, KN_EINVAL, "storage_endpoint '%s' is more than scheme, host and port",
                       endpoint);
    // What is signed is the Host header that libcurl sends: without a default port.
    const char *plain = s3->is_tls ? ":443" : ":80";
    size_t n = strlen(host);
    if (kn_ends_with(host, plain))
        n -= strlen(plain);
    s3->host = strndup(host, n);
    size_t n_bucket = strlen(s3->bucket);
    s3->bucket_in_path = strncmp(host, s3->bucket, n_bucket) != 0 || host[n_bucket] != '.';
    return s3->host ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for the object store");
}

kn_code kn_s3_open(struct kn_s3 **out, const struct kn_s3_config *config, struct kn_error *err)
{
    if (!kn_starts_with(config->url, "s3://") || config->url[5] == '\0' || config->url[5] == '/')
        return kn_fail(err, KN_EINVAL, "storage '%s' is not s3://BUCKET[/PREFIX]", config->url);
    if (!config->key_id || !config->key_id[0] || !config->secret || !config->secret[0])
        return kn_fail(err, KN_EINVAL,
                       "storage '%s' needs storage_key_id and storage_key_secret "
                       "(KINORA_STORAGE_KEY_ID, KINORA_STORAGE_KEY_SECRET)",
                       config->url);
    kn_auto(kn_s3_close) struct kn_s3 *s3 = calloc(1, sizeof(*s3));
    if (!s3)
        return kn_fail(err, KN_ENOMEM, "no memory for the object store");
    s3->retry_us = config->retry_us > 0 ? config->retry_us : RETRY_US;
    s3->region = strdup(config->region && config->region[0] ? config->region : "us-east-1");
    s3->key_id = strdup(config->key_id);
    s3->secret = strdup(config->secret);
    s3->token = dup_or_null(config->token);
    if (!url_split(s3, config->url) || !s3->region || !s3->key_id || !s3->secret)
        return kn_fail(err, KN_ENOMEM, "no memory for the object store");
    kn_code rc = endpoint_read(s3, config->endpoint, err);
    if (rc == KN_OK) // the operator's own address: it may well be a private one
        rc = kn_http_client_new(&s3->client, &(struct kn_http_client_config){.trusts_all = true},
                                err);
    if (rc != KN_OK)
        return rc;
    *out = KN_TAKE(s3);
    return KN_OK;
}

void kn_s3_close(struct kn_s3 **s3)
{
    struct kn_s3 *s = *s3;
    if (!s)
        return;
    kn_http_client_free(&s->client);
    char *texts[] = {s->base, s->host, s->bucket, s->prefix, s->region, s->key_id, s->secret,
                     s->token};
    for (size_t i = 0; i < KN_COUNT(texts); i++)
        free(texts[i]);
    free(s);
    *s3 = NULL;
}

/* ---- one request ---- */

static void path_make(struct kn_buf *out, const struct kn_s3 *s3, const char *name)
{
    if (s3->bucket_in_path) {
        kn_buf_putc(out, '/');
        kn_percent(out, s3->bucket, strlen(s3->bucket), false);
    }
    if (!s3->bucket_in_path || name)
        kn_buf_putc(out, '/');
    if (name) {
        kn_percent(out, s3->prefix, strlen(s3->prefix), true);
        kn_percent(out, name, strlen(name), true);
    }
}

struct lines {
    struct kn_sigv4_header signs[MAX_HEADERS]; // in the order of their names
    size_t n_signed;
    struct kn_buf texts[MAX_HEADERS + 2];      // "name: value", for the client
    const char *pointers[MAX_HEADERS + 3];
    size_t n;
};

static void lines_clear(struct lines *lines)
{
    for (size_t i = 0; i < KN_COUNT(lines->texts); i++)
        kn_buf_clear(&lines->texts[i]);
}

static void line_add(struct lines *lines, const char *name, const char *value, bool is_signed)
{
    if (!value)
        return;
    if (is_signed)
        lines->signs[lines->n_signed++] = (struct kn_sigv4_header){name, value};
    if (strcmp(name, "host") == 0)
        return; // libcurl writes it
    kn_buf_printf(&lines->texts[lines->n], "%s: %s", name, value);
    lines->pointers[lines->n] = kn_buf_text(&lines->texts[lines->n]);
    lines->n++;
}

static bool on_bytes(const void *bytes, size_t n, void *context)
{
    struct s3_request *request = context;
    bool is_fine = request->exchange->status >= 200 && request->exchange->status < 300;
    if (!request->into || !is_fine) {
        if (request->text.len + n > 8 * 1024 * 1024)
            return false; // no listing page and no error is that long
        kn_buf_add(&request->text, bytes, n);
        return kn_buf_ok(&request->text);
    }
    if (n > request->n_into - request->got)
        return false; // more than the range asked for
    memcpy(request->into + request->got, bytes, n);
    request->got += n;
    return true;
}

static kn_code request_send(struct kn_s3 *s3, struct s3_request *request, struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf url = {0}, path = {0}, authorization = {0};
    kn_auto(lines_clear) struct lines lines = {0};
    char date[20], hash[2 * KN_SHA256_BYTES + 1] = "UNSIGNED-PAYLOAD";
    kn_time_basic(date, kn_now_us());
    if (!s3->is_tls)
        kn_sha256_hex(hash, request->body ? request->body : "", request->n_body);
    path_make(&path, s3, request->name);
    kn_buf_printf(&url, "%s%s%s%s", s3->base, kn_buf_text(&path), request->query ? "?" : "",
                  request->query ? request->query : "");
    line_add(&lines, "host", s3->host, true);
    line_add(&lines, "x-amz-content-sha256", hash, true);
    line_add(&lines, "x-amz-copy-source", request->copy_from, true);
    line_add(&lines, "x-amz-copy-source-range", request->copy_range, true);
    line_add(&lines, "x-amz-date", date, true);
    line_add(&lines, "x-amz-security-token", s3->token, true);
    line_add(&lines, "range", request->range, false);
    kn_sigv4_authorization(&authorization,
                           &(struct kn_sigv4_request){.method = request->method,
                                                      .path = kn_buf_text(&path),
                                                      .query = request->query ? request->query : "",
                                                      .headers = lines.signs,
                                                      .n_headers = lines.n_signed,
                                                      .payload_sha256 = hash,
                                                      .region = s3->region,
                                                      .service = "s3",
                                                      .key_id = s3->key_id,
                                                      .secret = s3->secret,
                                                      .date = date});
    line_add(&lines, "authorization", kn_buf_text(&authorization), false);
    if (!kn_buf_ok(&url) || !kn_buf_ok(&path) || !kn_buf_ok(&authorization))
        return kn_fail(err, KN_ENOMEM, "no memory for a request to the storage");

    size_t n_moved = request->n_body + request->n_into;
    struct kn_http_exchange exchange = {
        .method = request->method,
        .url = kn_buf_text(&url),
        .headers = lines.pointers,
        .body = request->body ? request->body : "",
        .n_body = request->n_body,
        .timeout_us = REQUEST_US + (int64_t)(n_moved / SLOWEST_BYTES_PER_SECOND) * KN_SECOND,
        .write = on_bytes,
        .write_context = request,
    };
    if (strcmp(request->method, "GET") == 0 || strcmp(request->method, "DELETE") == 0)
        exchange.body = NULL;
    kn_buf_reset(&request->text);
    request->got = 0;
    request->exchange = &exchange;
    kn_code rc = kn_http_do(s3->client, &exchange, err);
    request->status = exchange.status;
    if (!kn_http_answer_header(&exchange, "ETag", request->etag.text, sizeof(request->etag.text)))
        request->etag.text[0] = '\0';
    kn_http_exchange_clear(&exchange);
    return rc;
}

static bool may_pass(const struct s3_request *request, kn_code rc)
{
    int status = request->status;
    bool is_busy = status == 408 || status == 429 || (status >= 500 && status != 501);
    return rc == KN_EIO || (rc == KN_OK && is_busy);
}

static void text_of(const char *xml, size_t n, const char *name, char *out, size_t size);

static kn_code refused(const struct kn_s3 *s3, const struct s3_request *request,
                       struct kn_error *err)
{
    char code[64], message[200];
    text_of(kn_buf_text(&request->text), request->text.len, "Code", code, sizeof(code));
    text_of(kn_buf_text(&request->text), request->text.len, "Message", message, sizeof(message));
    bool is_absent = request->status == 404 && strcmp(code, "NoSuchBucket") != 0;
    bool is_missing_feature = request->status == 501 || request->status == 405;
    return kn_fail(err, is_absent ? KN_ENOTFOUND : is_missing_feature ? KN_EUNSUP : KN_EIO,
                   "the storage 's3://%s' at '%s' answered %d%s%s%s%s", s3->bucket, s3->base,
                   request->status, code[0] ? " " : "", code, message[0] ? ": " : "", message);
}

// The log is told when the store goes away and when it is back, not by every request meanwhile.
static void presence_note(struct kn_s3 *s3, bool is_away, const struct kn_error *err)
{
    if (!is_away)
        atomic_store(&s3->answered_us, kn_mono_us());
    if (atomic_exchange(&s3->is_away, is_away) == is_away)
        return;
    if (is_away)
        KN_WARN(NULL, "%s", err->message);
    else
        KN_INFO(NULL, "the storage 's3://%s' answers again", s3->bucket);
}

/* Send until it is answered for good, or until the time for trying again is over. */
static kn_code request_do(struct kn_s3 *s3, struct s3_request *request, struct kn_error *err)
{
    struct kn_error local = {0};
    if (!err)
        err = &local;
    int64_t end_us = kn_mono_us() + s3->retry_us;
    int64_t pause_us = FIRST_PAUSE_US;
    for (;;) {
        request->n_tries++;
        kn_code rc = request_send(s3, request, err);
        bool is_away = may_pass(request, rc);
        bool is_last = request->is_impatient || kn_mono_us() + pause_us > end_us;
        if (!is_away || is_last) {
            bool is_fine = rc == KN_OK && request->status < 300;
            if (rc == KN_OK && !is_fine)
                rc = refused(s3, request, err);
            else if (rc != KN_OK)
                rc = kn_error_prefix(err, "the storage 's3://%s' is out of reach", s3->bucket);
            presence_note(s3, is_away, err);
            return rc;
        }
        kn_sleep_us(pause_us);
        pause_us *= 2;
    }
}

/* ---- answers ---- */

static void doc_free(xmlDoc **doc)
{
    xmlFreeDoc(*doc);
}

static xmlDoc *doc_parse(const char *xml, size_t n)
{
    xmlDoc *doc = xmlReadMemory(xml, (int)n, NULL, NULL,
                                XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (doc && xmlGetIntSubset(doc)) { // no answer has a DTD
        xmlFreeDoc(doc);
        return NULL;
    }
    return doc;
}

// The text of the first child of this name, "" when there is none.
static void child_text(const xmlNode *node, const char *name, char *out, size_t size)
{
    out[0] = '\0';
    for (xmlNode *child = node ? node->children : NULL; child; child = child->next) {
        if (child->type != XML_ELEMENT_NODE || strcmp((const char *)child->name, name) != 0)
            continue;
        xmlChar *text = xmlNodeGetContent(child);
        kn_copy(out, size, (const char *)text);
        xmlFree(text);
        return;
    }
}

static void text_of(const char *xml, size_t n, const char *name, char *out, size_t size)
{
    kn_auto(doc_free) xmlDoc *doc = n ? doc_parse(xml, n) : NULL;
    child_text(doc ? xmlDocGetRootElement(doc) : NULL, name, out, size);
}

/* ---- objects ---- */

kn_code kn_s3_check(struct kn_s3 *s3, bool *out_is_away, struct kn_error *err)
{
    kn_auto(request_clear) struct s3_request request = {
        .method = "GET", .query = "list-type=2&max-keys=1", .is_impatient = true};
    kn_code rc = request_do(s3, &request, err);
    if (out_is_away)
        *out_is_away = rc != KN_OK && atomic_load(&s3->is_away);
    return rc;
}

int64_t kn_s3_answered_us(const struct kn_s3 *s3)
{
    return atomic_load(&s3->answered_us);
}

kn_code kn_s3_put(struct kn_s3 *s3, const char *name, const void *bytes, size_t n,
                  struct kn_error *err)
{
    kn_auto(request_clear) struct s3_request request = {
        .method = "PUT", .name = name, .body = bytes, .n_body = n};
    return request_do(s3, &request, err);
}

kn_code kn_s3_get(struct kn_s3 *s3, const char *name, int64_t offset, void *out, size_t n,
                  struct kn_error *err)
{
    char range[64];
    (void)snprintf(range, sizeof(range), "bytes=%lld-%lld", (long long)offset,
                   (long long)offset + (long long)n - 1);
    kn_auto(request_clear) struct s3_request request = {
        .method = "GET", .name = name, .range = range, .into = out, .n_into = n};
    kn_code rc = request_do(s3, &request, err);
    if (rc != KN_OK || request.got == n)
        return rc;
    return kn_fail(err, KN_EIO, "the storage 's3://%s' gave %zu of %zu bytes", s3->bucket,
                   request.got, n);
}

kn_code kn_s3_delete(struct kn_s3 *s3, const char *name, struct kn_error *err)
{
    kn_auto(request_clear) struct s3_request request = {.method = "DELETE", .name = name};
    kn_code rc = request_do(s3, &request, err);
    return rc == KN_ENOTFOUND ? KN_OK : rc;
}

/* ---- parts ---- */

kn_code kn_s3_upload_create(struct kn_s3 *s3, const char *name, char **out_id,
                            struct kn_error *err)
{
    kn_auto(request_clear)
        struct s3_request request = {.method = "POST", .name = name, .query = "uploads="};
    kn_code rc = request_do(s3, &request, err);
    if (rc != KN_OK)
        return rc;
    char id[1024];
    text_of(kn_buf_text(&request.text), request.text.len, "UploadId", id, sizeof(id));
    if (id[0] == '\0')
        return kn_fail(err, KN_EIO, "the storage 's3://%s' gave no UploadId", s3->bucket);
    *out_id = strdup(id);
    return *out_id ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for an upload");
}

static void part_query(struct kn_buf *out, const char *id, int number)
{
    if (number > 0)
        kn_buf_printf(out, "partNumber=%d&", number);
    kn_buf_puts(out, "uploadId=");
    kn_percent(out, id, strlen(id), false);
}

kn_code kn_s3_upload_part(struct kn_s3 *s3, const char *name, const char *id, int number,
                          const void *bytes, size_t n, struct kn_s3_etag *out,
                          struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf query = {0};
    part_query(&query, id, number);
    kn_auto(request_clear) struct s3_request request = {.method = "PUT", .name = name,
                                                        .query = kn_buf_text(&query),
                                                        .body = bytes, .n_body = n};
    kn_code rc = request_do(s3, &request, err);
    *out = request.etag;
    return rc;
}

kn_code kn_s3_upload_copy(struct kn_s3 *s3, const char *name, const char *id, int number,
                          const char *from, int64_t offset, int64_t n, struct kn_s3_etag *out,
                          struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf query = {0}, source = {0};
    char range[64];
    part_query(&query, id, number);
    kn_buf_printf(&source, "/%s/", s3->bucket);
    kn_percent(&source, s3->prefix, strlen(s3->prefix), true);
    kn_percent(&source, from, strlen(from), true);
    (void)snprintf(range, sizeof(range), "bytes=%lld-%lld", (long long)offset,
                   (long long)(offset + n - 1));
    kn_auto(request_clear) struct s3_request request = {
        .method = "PUT", .name = name, .query = kn_buf_text(&query),
        .copy_from = kn_buf_text(&source), .copy_range = range};
    kn_code rc = request_do(s3, &request, err);
    if (rc != KN_OK)
        return rc;
    // The answer's body carries it; a store that does not know the header made an empty part.
    text_of(kn_buf_text(&request.text), request.text.len, "ETag", out->text, sizeof(out->text));
    return out->text[0] ? KN_OK
                        : kn_fail(err, KN_EUNSUP, "the storage 's3://%s' cannot copy parts",
                                  s3->bucket);
}

static void complete_body(struct kn_buf *out, const struct kn_s3_etag *etags, int n)
{
    kn_buf_puts(out, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (int i = 0; i < n; i++)
        kn_buf_printf(out, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", i + 1,
                      etags[i].text);
    kn_buf_puts(out, "</CompleteMultipartUpload>");
}

kn_code kn_s3_upload_complete(struct kn_s3 *s3, const char *name, const char *id,
                              const struct kn_s3_etag *etags, int n, struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf query = {0}, body = {0};
    part_query(&query, id, 0);
    complete_body(&body, etags, n);
    if (!kn_buf_ok(&body) || !kn_buf_ok(&query))
        return kn_fail(err, KN_ENOMEM, "no memory to complete an upload");
    kn_auto(request_clear) struct s3_request request = {
        .method = "POST", .name = name, .query = kn_buf_text(&query), .body = body.data,
        .n_body = body.len};
    kn_code rc = request_do(s3, &request, err);
    if (rc == KN_ENOTFOUND && request.n_tries > 1) {
        // The answer to an earlier try was lost: names are used once, so what is there is ours.
        char byte;
        return kn_s3_get(s3, name, 0, &byte, 1, err);
    }
    // An error may come with status 200: the store answered before it was done.
    char code[64];
    if (rc == KN_OK)
        text_of(kn_buf_text(&request.text), request.text.len, "Code", code, sizeof(code));
    return rc == KN_OK && code[0] ? refused(s3, &request, err) : rc;
}

kn_code kn_s3_upload_abort(struct kn_s3 *s3, const char *name, const char *id,
                           struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf query = {0};
    part_query(&query, id, 0);
    kn_auto(request_clear) struct s3_request request = {
        .method = "DELETE", .name = name, .query = kn_buf_text(&query)};
    kn_code rc = request_do(s3, &request, err);
    return rc == KN_ENOTFOUND ? KN_OK : rc;
}

/* ---- lists ---- */

struct lister {
    struct kn_s3 *s3;
    bool is_uploads;
    kn_s3_seen seen;
    void *context;
    char marker[2048], id_marker[1024]; // where the next page begins; "" at first
};

static void param_add(struct kn_buf *out, const char *name, const char *value)
{
    if (out->len)
        kn_buf_putc(out, '&');
    kn_buf_printf(out, "%s=", name);
    kn_percent(out, value, strlen(value), false);
}

// Parameters in the order of the alphabet, as the signature wants them.
static void list_query(struct kn_buf *out, const struct lister *lister)
{
    if (lister->marker[0])
        param_add(out, lister->is_uploads ? "key-marker" : "continuation-token", lister->marker);
    if (!lister->is_uploads)
        param_add(out, "list-type", "2");
    param_add(out, "prefix", lister->s3->prefix);
    if (lister->is_uploads && lister->id_marker[0])
        param_add(out, "upload-id-marker", lister->id_marker);
    if (lister->is_uploads)
        param_add(out, "uploads", "");
}

static kn_code item_tell(const struct lister *lister, const xmlNode *node, struct kn_error *err)
{
    char name[2048], id[1024], time[40];
    int64_t modified_us;
    child_text(node, "Key", name, sizeof(name));
    child_text(node, "UploadId", id, sizeof(id));
    child_text(node, lister->is_uploads ? "Initiated" : "LastModified", time, sizeof(time));
    size_t n_prefix = strlen(lister->s3->prefix);
    if (strncmp(name, lister->s3->prefix, n_prefix) != 0 || !kn_time_parse_iso(time, &modified_us))
        return KN_OK; // not ours, or of no known age
    return lister->seen(name + n_prefix, lister->is_uploads ? id : NULL, modified_us,
                        lister->context, err);
}

static kn_code page_tell(struct lister *lister, const xmlNode *root, bool *out_has_more,
                         struct kn_error *err)
{
    const char *item = lister->is_uploads ? "Upload" : "Contents";
    kn_code rc = KN_OK;
    for (xmlNode *node = root->children; node && rc == KN_OK; node = node->next)
        if (node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, item) == 0)
            rc = item_tell(lister, node, err);
    char is_truncated[16];
    child_text(root, "IsTruncated", is_truncated, sizeof(is_truncated));
    child_text(root, lister->is_uploads ? "NextKeyMarker" : "NextContinuationToken", lister->marker,
               sizeof(lister->marker));
    child_text(root, "NextUploadIdMarker", lister->id_marker, sizeof(lister->id_marker));
    *out_has_more = strcmp(is_truncated, "true") == 0 && lister->marker[0] != '\0';
    return rc;
}

static kn_code list_all(struct lister *lister, struct kn_error *err)
{
    kn_code rc = KN_OK;
    for (bool has_more = true; rc == KN_OK && has_more;) {
        kn_auto(kn_buf_clear) struct kn_buf query = {0};
        list_query(&query, lister);
        kn_auto(request_clear)
            struct s3_request request = {.method = "GET", .query = kn_buf_text(&query)};
        rc = request_do(lister->s3, &request, err);
        if (rc != KN_OK)
            return rc;
        kn_auto(doc_free) xmlDoc *doc = doc_parse(kn_buf_text(&request.text), request.text.len);
        xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
        if (!root)
            return kn_fail(err, KN_EIO, "the storage 's3://%s' gave a list that is not XML",
                           lister->s3->bucket);
        rc = page_tell(lister, root, &has_more, err);
    }
    return rc;
}

kn_code kn_s3_each_object(struct kn_s3 *s3, kn_s3_seen seen, void *context, struct kn_error *err)
{
    struct lister lister = {.s3 = s3, .seen = seen, .context = context};
    return list_all(&lister, err);
}

kn_code kn_s3_each_upload(struct kn_s3 *s3, kn_s3_seen seen, void *context, struct kn_error *err)
{
    struct lister lister = {.s3 = s3, .is_uploads = true, .seen = seen, .context = context};
    return list_all(&lister, err);
}

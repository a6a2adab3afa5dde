/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The request half of http/server.h without a server. Contracts are asserted, for fuzzers to break. */
#include "support/memory_request.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/strings.h"

#define MAX_FIELDS 64

/* ---- reading the text ---- */

// What http-parser lets through in a target, and in a header's value with blanks added.
static bool is_plain(const char *text, bool may_have_blanks)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if (*p == 127 || *p < ' ' || (*p == ' ' && !may_have_blanks))
            return false;
    return true;
}

static bool first_line_read(struct kn_http_request *request, char *line)
{
    char *target = strchr(line, ' ');
    if (!target || target == line || line[strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] != ' ')
        return false;
    *target++ = '\0';
    if (target[0] != '/' || !is_plain(target, false))
        return false;
    request->method = line;
    request->target = target;
    size_t n = strcspn(target, "?");
    request->path = kn_arena_strndup(&request->arena, target, n);
    request->query = target[n] ? target + n + 1 : "";
    return request->path != NULL;
}

static bool field_read(struct kn_http_request *request, char *line)
{
    static const char token[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "!#$%&'*+-.^_`|~";
    size_t n = strspn(line, token);
    if (n == 0 || line[n] != ':' || request->n_fields == MAX_FIELDS)
        return false;
    line[n] = '\0';
    char *value = line + n + 1;
    kn_trim(value);
    request->fields[request->n_fields++] = (struct kn_http_field){line, value};
    return is_plain(value, true);
}

bool memory_request_parse(struct kn_http_request *request, const void *bytes, size_t n)
{
    *request = (struct kn_http_request){0};
    char *text = kn_arena_strndup(&request->arena, n ? bytes : "", n);
    // One place more, for memory_request_set_header().
    request->fields = kn_arena_array(&request->arena, MAX_FIELDS + 8, sizeof(*request->fields));
    const char *end = n ? memmem(bytes, n, "\n\n", 2) : NULL;
    size_t n_head = end ? (size_t)(end - (const char *)bytes) : n;
    if (!text || !request->fields || memchr(text, '\0', n_head))
        return false;
    text[n_head] = '\0';
    char *rest = text;
    if (!first_line_read(request, strsep(&rest, "\n")))
        return false;
    while (rest)
        if (!field_read(request, strsep(&rest, "\n")))
            return false;
    if (end)
        kn_buf_add(&request->body, end + 2, n - n_head - 2);
    return kn_buf_ok(&request->body);
}

void memory_request_clear(struct kn_http_request *request)
{
    kn_buf_clear(&request->body);
    kn_buf_clear(&request->answer);
    kn_buf_clear(&request->answer_headers);
    kn_arena_clear(&request->arena);
    *request = (struct kn_http_request){0};
}

void memory_request_set_header(struct kn_http_request *request, const char *name, const char *value)
{
    for (size_t i = 0; i < request->n_fields; i++) {
        if (strcasecmp(request->fields[i].name, name) == 0) {
            request->fields[i].value = value;
            return;
        }
    }
    assert(request->n_fields < MAX_FIELDS + 8);
    request->fields[request->n_fields++] = (struct kn_http_field){name, value};
}

/* ---- http/server.h: the request ---- */

const char *kn_http_method(const struct kn_http_request *request)
{
    return request->method;
}

const char *kn_http_target(const struct kn_http_request *request)
{
    return request->target;
}

const char *kn_http_path(const struct kn_http_request *request)
{
    return request->path;
}

const char *kn_http_query(const struct kn_http_request *request)
{
    return request->query;
}

const char *kn_http_header(const struct kn_http_request *request, const char *name)
{
    for (size_t i = 0; i < request->n_fields; i++)
        if (strcasecmp(request->fields[i].name, name) == 0)
            return request->fields[i].value;
    return NULL;
}

size_t kn_http_n_headers(const struct kn_http_request *request)
{
    return request->n_fields;
}

void kn_http_header_at(const struct kn_http_request *request, size_t i, const char **out_name,
                       const char **out_value)
{
    assert(i < request->n_fields);
    *out_name = request->fields[i].name;
    *out_value = request->fields[i].value;
}

const char *kn_http_peer(const struct kn_http_request *request)
{
    (void)request;
    return "127.0.0.1";
}

bool kn_http_is_gone(struct kn_http_request *request)
{
    (void)request;
    return false;
}

bool kn_http_is_tls(const struct kn_http_request *request)
{
    (void)request;
    return false;
}

int64_t kn_http_body_length(const struct kn_http_request *request)
{
    return (int64_t)request->body.len;
}

void kn_http_run(struct kn_http_request *request, kn_http_handler fn, void *context)
{
    fn(request, context);
}

void kn_http_collect(struct kn_http_request *request, size_t limit, kn_http_handler fn,
                     void *context)
{
    assert(request->body.len <= limit);
    request->is_collected = true;
    fn(request, context);
}

const struct kn_buf *kn_http_body(const struct kn_http_request *request)
{
    return &request->body;
}

kn_code kn_http_body_read(struct kn_http_request *request, void *out, size_t n, size_t *out_got,
                          struct kn_error *err)
{
    (void)err;
    assert(n > 0);
    size_t left = request->body.len - request->body_read;
    size_t take = left < n ? left : n;
    if (request->piece && take > request->piece)
        take = request->piece;
    if (take)
        memcpy(out, request->body.data + request->body_read, take);
    request->body_read += take;
    *out_got = take;
    return KN_OK;
}

/* ---- http/server.h: the reply ---- */

void kn_http_set(struct kn_http_request *request, const char *name, const char *value)
{
    assert(!request->is_started);
    // The server takes line breaks out of values; in a name they would make headers of a stranger's.
    assert(name[0] && !strpbrk(name, "\r\n"));
    kn_buf_printf(&request->answer_headers, "%s: %s\n", name, value);
}

void kn_http_setf(struct kn_http_request *request, const char *name, const char *fmt, ...)
{
    kn_auto(kn_buf_clear) struct kn_buf value = {0};
    va_list args;
    va_start(args, fmt);
    kn_buf_vprintf(&value, fmt, args);
    va_end(args);
    kn_http_set(request, name, kn_buf_text(&value));
}

void kn_http_reply(struct kn_http_request *request, int status, const void *body, size_t n)
{
    assert(!request->is_started && status >= 200 && status < 600);
    request->is_started = request->is_over = true;
    request->status = status;
    if (n && strcmp(kn_http_method(request), "HEAD") != 0) // HEAD: `n` is what GET would have sent
        kn_buf_add(&request->answer, body, n);
}

void kn_http_reply_file(struct kn_http_request *request, int status, int fd, int64_t offset,
                        int64_t length)
{
    assert(offset >= 0 && length >= 0);
    kn_close_fd(&fd);
    kn_http_reply(request, status, NULL, 0);
}

void kn_http_reply_start(struct kn_http_request *request, int status, int64_t length)
{
    assert(length >= -1);
    kn_http_reply(request, status, NULL, 0);
    request->is_over = false;
}

kn_code kn_http_reply_write(struct kn_http_request *request, const void *bytes, size_t n,
                            struct kn_error *err)
{
    (void)err;
    assert(request->is_started && !request->is_over);
    if (n)
        kn_buf_add(&request->answer, bytes, n);
    return KN_OK;
}

void kn_http_reply_end(struct kn_http_request *request)
{
    assert(request->is_started && !request->is_over);
    request->is_over = true;
}

void kn_http_reply_abort(struct kn_http_request *request)
{
    kn_http_reply_end(request);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Requests: the head as one text with offsets into it, and the body as a stream between the loop and
 * a waiting thread.
 */
#include "http/request.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/strings.h"
#include "http/connection.h"

// A connection keeps this much for its next request.
#define KEPT_BYTES (16 * 1024)
// Real requests have about 20.
#define MAX_FIELDS 256
// A reader that leaves less than this unread wants the socket read again.
#define RESUME_BYTES (256 * 1024)

/* ---- life ---- */

struct kn_http_request *kn_http_request_new(struct kn_http_loop *loop,
                                            const struct kn_http_place *place, const char *peer)
{
    struct kn_http_request *request = calloc(1, sizeof(*request));
    if (!request)
        return NULL;
    request->loop = loop;
    request->place = place;
    request->method = "";
    request->file_fd = -1;
    (void)kn_copy(request->peer, sizeof(request->peer), peer);
    pthread_mutex_init(&request->lock, NULL);
    pthread_cond_init(&request->changed, NULL);
    pthread_mutex_lock(&loop->lock);
    loop->n_requests++;
    pthread_mutex_unlock(&loop->lock);
    return request;
}

static void buf_recycle(struct kn_buf *buf)
{
    if (buf->capacity > KEPT_BYTES)
        kn_buf_clear(buf);
    else
        kn_buf_reset(buf);
}

static void evbuffer_clear(struct evbuffer **buffer)
{
    if (*buffer)
        evbuffer_free(*buffer);
    *buffer = NULL;
}

void kn_http_request_reset(struct kn_http_request *request)
{
    struct kn_http_request kept = *request;
    kn_close_fd(&kept.file_fd);
    evbuffer_clear(&kept.stream);
    evbuffer_clear(&kept.pending);
    buf_recycle(&kept.head);
    buf_recycle(&kept.body);
    buf_recycle(&kept.reply_headers);
    // Everything but the lock goes back to its start; the lock is nobody's here.
    memset(request, 0, offsetof(struct kn_http_request, lock));
    memset((char *)request + offsetof(struct kn_http_request, stream), 0,
           sizeof(*request) - offsetof(struct kn_http_request, stream));
    request->loop = kept.loop;
    request->place = kept.place;
    memcpy(request->peer, kept.peer, sizeof(request->peer));
    request->head = kept.head;
    request->fields = kept.fields;
    request->fields_capacity = kept.fields_capacity;
    request->body = kept.body;
    request->reply_headers = kept.reply_headers;
    request->method = "";
    request->file_fd = -1;
}

void kn_http_request_free(struct kn_http_request *request)
{
    if (!request)
        return;
    kn_close_fd(&request->file_fd);
    evbuffer_clear(&request->stream);
    evbuffer_clear(&request->pending);
    kn_buf_clear(&request->head);
    kn_buf_clear(&request->body);
    kn_buf_clear(&request->reply_headers);
    free(request->fields);
    pthread_cond_destroy(&request->changed);
    pthread_mutex_destroy(&request->lock);
    free(request);
}

void kn_http_request_drop(struct kn_http_request *request)
{
    if (!request)
        return;
    struct kn_http_loop *loop = request->loop;
    kn_http_request_free(request);
    pthread_mutex_lock(&loop->lock);
    loop->n_requests--;
    pthread_mutex_unlock(&loop->lock);
}

/* ---- building the head ---- */

bool kn_http_head_target(struct kn_http_request *request, const char *bytes, size_t n)
{
    if (request->head.len + n > KN_MAX_TARGET_BYTES)
        return false;
    kn_buf_add(&request->head, bytes, n);
    return kn_buf_ok(&request->head);
}

static void value_close(struct kn_http_request *request)
{
    struct kn_buf *head = &request->head;
    struct kn_http_field *last = &request->fields[request->n_fields - 1];
    if (!request->is_value_open) { // a name without a value so far
        kn_buf_putc(head, '\0');
        last->value = (uint32_t)head->len;
    }
    while (head->len > last->value &&
           (head->data[head->len - 1] == ' ' || head->data[head->len - 1] == '\t'))
        head->len--;
    kn_buf_putc(head, '\0');
    request->is_value_open = false;
}

// Whether the last field's name is still being added to.
static bool is_name_open(const struct kn_http_request *request)
{
    return request->n_fields > 0 && !request->is_value_open &&
           request->fields[request->n_fields - 1].value == 0;
}

static bool target_seal(struct kn_http_request *request)
{
    struct kn_buf *head = &request->head;
    size_t n = head->len;
    kn_buf_putc(head, '\0');
    if (!kn_buf_reserve(head, n + 2))
        return false;
    // "http://host/path" is legal towards any server (RFC 9112, 3.2.2).
    const char *path = head->data;
    const char *authority = path[0] == '/' ? NULL : strstr(path, "://");
    if (authority)
        path = authority + 3 + strcspn(authority + 3, "/?");
    size_t n_path = strcspn(path, "?");
    request->path_at = head->len;
    if (authority && n_path == 0)
        kn_buf_putc(head, '/');
    kn_buf_add(head, path, n_path);
    kn_buf_putc(head, '\0');
    path = authority ? strstr(head->data, "://") + 3 : head->data;
    const char *mark = strchr(path, '?');
    request->query_at = head->len;
    kn_buf_puts(head, mark ? mark + 1 : "");
    kn_buf_putc(head, '\0');
    request->fields_at = head->len;
    request->is_target_sealed = true;
    return kn_buf_ok(head);
}

bool kn_http_head_seal(struct kn_http_request *request)
{
    if (!request->is_target_sealed)
        return target_seal(request);
    if (request->is_value_open || is_name_open(request))
        value_close(request);
    return kn_buf_ok(&request->head);
}

static bool head_has_room(const struct kn_http_request *request, size_t n)
{
    return request->head.len - request->fields_at + n <= KN_MAX_HEADER_BYTES &&
           request->n_fields <= MAX_FIELDS;
}

bool kn_http_head_name(struct kn_http_request *request, const char *bytes, size_t n)
{
    if (!request->is_target_sealed && !target_seal(request))
        return false;
    if (!is_name_open(request)) {
        if (request->is_value_open)
            value_close(request);
        if (request->n_fields == request->fields_capacity) {
            size_t capacity = request->fields_capacity ? 2 * request->fields_capacity : 16;
            struct kn_http_field *fields = reallocarray(request->fields, capacity,
                                                        sizeof(*fields));
            if (!fields)
                return false;
            request->fields = fields;
            request->fields_capacity = capacity;
        }
        request->fields[request->n_fields++] =
            (struct kn_http_field){.name = (uint32_t)request->head.len};
    }
    kn_buf_add(&request->head, bytes, n);
    return kn_buf_ok(&request->head) && head_has_room(request, 0);
}

bool kn_http_head_value(struct kn_http_request *request, const char *bytes, size_t n)
{
    if (!request->is_value_open) {
        kn_buf_putc(&request->head, '\0');
        request->fields[request->n_fields - 1].value = (uint32_t)request->head.len;
        request->is_value_open = true;
    }
    kn_buf_add(&request->head, bytes, n);
    return kn_buf_ok(&request->head) && head_has_room(request, 0);
}

/* ---- what handlers see of the head ---- */

static const char *head_text(const struct kn_http_request *request, size_t at)
{
    return kn_buf_text(&request->head) + at;
}

const char *kn_http_method(const struct kn_http_request *request)
{
    return request->method;
}

const char *kn_http_target(const struct kn_http_request *request)
{
    return head_text(request, 0);
}

const char *kn_http_path(const struct kn_http_request *request)
{
    return head_text(request, request->path_at);
}

const char *kn_http_query(const struct kn_http_request *request)
{
    return request->is_target_sealed ? head_text(request, request->query_at) : "";
}

const char *kn_http_header(const struct kn_http_request *request, const char *name)
{
    for (size_t i = 0; i < request->n_fields; i++)
        if (kn_equal_nocase(head_text(request, request->fields[i].name), name))
            return head_text(request, request->fields[i].value);
    return NULL;
}

size_t kn_http_n_headers(const struct kn_http_request *request)
{
    return request->n_fields;
}

void kn_http_header_at(const struct kn_http_request *request, size_t i, const char **out_name,
                       const char **out_value)
{
    *out_name = head_text(request, request->fields[i].name);
    *out_value = head_text(request, request->fields[i].value);
}

const char *kn_http_peer(const struct kn_http_request *request)
{
    return request->peer;
}

bool kn_http_is_gone(struct kn_http_request *request)
{
    pthread_mutex_lock(&request->lock);
    bool is_gone = request->is_gone || request->is_half_closed;
    pthread_mutex_unlock(&request->lock);
    return is_gone;
}

bool kn_http_is_tls(const struct kn_http_request *request)
{
    return request->place->is_tls;
}

int64_t kn_http_body_length(const struct kn_http_request *request)
{
    return request->body_length;
}

const struct kn_buf *kn_http_body(const struct kn_http_request *request)
{
    return &request->body;
}

/* ---- the body ---- */

size_t kn_http_body_unread(struct kn_http_request *request, size_t limit)
{
    if (!request->stream)
        return 0;
    pthread_mutex_lock(&request->lock);
    size_t n = evbuffer_get_length(request->stream);
    request->is_paused = n >= limit;
    pthread_mutex_unlock(&request->lock);
    return n;
}

bool kn_http_body_feed(struct kn_http_request *request, const char *bytes, size_t n)
{
    if (request->is_collecting) {
        kn_buf_add(&request->body, bytes, n);
        return kn_buf_ok(&request->body);
    }
    pthread_mutex_lock(&request->lock);
    if (!request->stream)
        request->stream = evbuffer_new();
    bool is_in = request->stream && evbuffer_add(request->stream, bytes, n) == 0;
    pthread_cond_broadcast(&request->changed);
    pthread_mutex_unlock(&request->lock);
    return is_in;
}

void kn_http_body_end(struct kn_http_request *request)
{
    pthread_mutex_lock(&request->lock);
    request->is_stream_ended = true;
    pthread_cond_broadcast(&request->changed);
    pthread_mutex_unlock(&request->lock);
}

void kn_http_request_half_close(struct kn_http_request *request)
{
    pthread_mutex_lock(&request->lock);
    request->is_half_closed = true;
    pthread_mutex_unlock(&request->lock);
}

void kn_http_request_lose(struct kn_http_request *request, bool is_gone)
{
    pthread_mutex_lock(&request->lock);
    if (is_gone)
        request->is_gone = true;
    else
        request->is_stalled = true;
    pthread_cond_broadcast(&request->changed);
    pthread_mutex_unlock(&request->lock);
}

// With the lock held: bytes that are there already.
static size_t body_take(struct kn_http_request *request, void *out, size_t n)
{
    size_t left = request->body.len - request->collected_read;
    if (left > 0) {
        size_t take = n < left ? n : left;
        memcpy(out, request->body.data + request->collected_read, take);
        request->collected_read += take;
        return take;
    }
    int got = request->stream ? evbuffer_remove(request->stream, out, n) : 0;
    return got > 0 ? (size_t)got : 0;
}

kn_code kn_http_body_read(struct kn_http_request *request, void *out, size_t n, size_t *out_got,
                          struct kn_error *err)
{
    kn_code rc = KN_OK;
    bool must_post = false;
    *out_got = 0;
    pthread_mutex_lock(&request->lock);
    while (n > 0 && (*out_got = body_take(request, out, n)) == 0) {
        if (request->is_stream_ended)
            break;
        if (request->is_gone || request->is_stalled) {
            rc = request->is_gone
                     ? kn_fail(err, KN_EIO, "the client went away during its request")
                     : kn_fail_as(err, KN_EIO, "RequestTimeout", "the request stopped arriving");
            break;
        }
        if (request->expects_continue && !request->wants_continue) {
            request->wants_continue = true;
            pthread_mutex_unlock(&request->lock);
            kn_http_loop_post(request->loop, request, false);
            pthread_mutex_lock(&request->lock);
            continue;
        }
        pthread_cond_wait(&request->changed, &request->lock);
    }
    if (request->is_paused && evbuffer_get_length(request->stream) < RESUME_BYTES) {
        request->is_paused = false;
        must_post = true;
    }
    pthread_mutex_unlock(&request->lock);
    if (must_post)
        kn_http_loop_post(request->loop, request, false);
    return rc;
}

void kn_http_collect(struct kn_http_request *request, size_t limit, kn_http_handler fn,
                     void *context)
{
    assert(kn_http_conn_is_direct(request)); // by its contract: a handler calls, on the loop
    request->collect_limit = limit;
    request->collect_fn = fn;
    request->collect_context = context;
    kn_http_conn_collect(request);
}

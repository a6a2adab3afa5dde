/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Questions over the link. A waiter lives on its asker's stack, in a list under the lock; the thread
 * that reads the socket gives each answer to the waiter with its request number.
 */
#include "worker/uplink.h"

#include <string.h>

#include "base/cleanup.h"

struct kn_uplink_waiter {
    struct kn_uplink_waiter *next;
    uint32_t request;
    bool is_done;
    kn_code rc;
    struct kn_error error;
    json_t *answer; // owned until taken by the asker
    int fd;         // likewise
    char *bytes;    // where BYTES go: the asker's memory; NULL when JSON is expected
    size_t n_bytes, n_got;
};

void kn_uplink_init(struct kn_uplink *uplink, int fd)
{
    *uplink = (struct kn_uplink){.last_request = 0};
    kn_link_init(&uplink->link, fd, KN_PEER_SUPERVISOR);
    (void)pthread_mutex_init(&uplink->lock, NULL);
    (void)pthread_cond_init(&uplink->answered, NULL);
}

static void waiter_fill(struct kn_uplink_waiter *waiter, const struct kn_frame *frame, int fd)
{
    waiter->is_done = true;
    waiter->fd = fd;
    if (frame->type == KN_FRAME_BYTES) {
        if (!waiter->bytes || frame->n > waiter->n_bytes) {
            waiter->rc = kn_fail(&waiter->error, KN_EBUG, "%zu bytes where %zu were asked for",
                                 frame->n, waiter->n_bytes);
            return;
        }
        memcpy(waiter->bytes, frame->payload, frame->n);
        waiter->n_got = frame->n;
        return;
    }
    json_t *object = NULL;
    waiter->rc = kn_frame_json(frame, &object, &waiter->error);
    if (waiter->rc == KN_OK && frame->type == KN_FRAME_ERROR)
        waiter->rc = kn_frame_error(object, &waiter->error);
    if (waiter->rc == KN_OK)
        waiter->answer = KN_TAKE(object);
    json_decref(object);
}

// Read one frame and hand it to its waiter. The lock is held on entry and exit, not while reading.
static void uplink_read_one(struct kn_uplink *uplink)
{
    struct kn_frame frame;
    struct kn_error error = {0};
    int fd = -1;
    uplink->is_reading = true;
    (void)pthread_mutex_unlock(&uplink->lock);
    kn_code rc = kn_link_receive(&uplink->link, &frame, &fd, &error);
    (void)pthread_mutex_lock(&uplink->lock);
    uplink->is_reading = false;
    if (rc)
        uplink->is_broken = true;
    for (struct kn_uplink_waiter *w = uplink->waiters; w; w = w->next) {
        if (rc && !w->is_done) {
            w->is_done = true;
            w->rc = rc;
            w->error = error;
        } else if (!rc && w->request == frame.request) {
            waiter_fill(w, &frame, fd);
            fd = -1;
            break;
        }
    }
    kn_close_fd(&fd); // an answer nobody waits for
    (void)pthread_cond_broadcast(&uplink->answered);
}

static void waiter_remove(struct kn_uplink *uplink, struct kn_uplink_waiter *waiter)
{
    struct kn_uplink_waiter **at = &uplink->waiters;
    while (*at != waiter)
        at = &(*at)->next;
    *at = waiter->next;
}

static kn_code uplink_ask(struct kn_uplink *uplink, enum kn_frame_type type, json_t *question,
                          struct kn_uplink_waiter *waiter, struct kn_error *err)
{
    waiter->fd = -1;
    (void)pthread_mutex_lock(&uplink->lock);
    waiter->request = ++uplink->last_request;
    waiter->next = uplink->waiters;
    uplink->waiters = waiter;
    if (uplink->is_broken) {
        json_decref(question);
        waiter->is_done = true;
        waiter->rc = kn_fail(&waiter->error, KN_EIO, "the supervisor is gone");
    } else {
        waiter->rc = kn_link_post_json(&uplink->link, type, waiter->request, question, -1,
                                       &waiter->error);
        waiter->is_done = waiter->rc != KN_OK;
    }
    while (!waiter->is_done) {
        if (uplink->is_reading)
            (void)pthread_cond_wait(&uplink->answered, &uplink->lock);
        else
            uplink_read_one(uplink);
    }
    waiter_remove(uplink, waiter);
    (void)pthread_mutex_unlock(&uplink->lock);
    if (waiter->rc && err)
        *err = waiter->error;
    return waiter->rc;
}

kn_code kn_uplink_call(struct kn_uplink *uplink, enum kn_frame_type type, json_t *question,
                       json_t **out_answer, int *out_fd, struct kn_error *err)
{
    struct kn_uplink_waiter waiter = {0};
    *out_answer = NULL;
    if (out_fd)
        *out_fd = -1;
    kn_code rc = uplink_ask(uplink, type, question, &waiter, err);
    if (rc == KN_OK)
        *out_answer = KN_TAKE(waiter.answer);
    if (rc == KN_OK && out_fd)
        *out_fd = KN_TAKE_FD(waiter.fd);
    kn_close_fd(&waiter.fd);
    return rc;
}

kn_code kn_uplink_read(struct kn_uplink *uplink, int64_t handle, int64_t offset, void *out,
                       size_t n, size_t *out_got, struct kn_error *err)
{
    struct kn_uplink_waiter waiter = {.bytes = out, .n_bytes = n};
    *out_got = 0;
    json_t *question = json_pack("{s:I, s:I, s:I}", "handle", (json_int_t)handle, "offset",
                                 (json_int_t)offset, "n", (json_int_t)n);
    kn_code rc = uplink_ask(uplink, KN_FRAME_READ, question, &waiter, err);
    json_decref(waiter.answer);
    kn_close_fd(&waiter.fd);
    if (rc == KN_OK)
        *out_got = waiter.n_got;
    return rc;
}

kn_code kn_uplink_tell(struct kn_uplink *uplink, enum kn_frame_type type, json_t *what,
                       struct kn_error *err)
{
    (void)pthread_mutex_lock(&uplink->lock);
    kn_code rc = kn_link_post_json(&uplink->link, type, 0, what, -1, err);
    (void)pthread_mutex_unlock(&uplink->lock);
    return rc;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Frames over a Unix socket. Each frame that waits is an element of its own, because a descriptor
 * must leave with the first byte of its frame and with nothing before it.
 */
#include "link/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"

struct kn_link_out {
    struct kn_link_out *next;
    struct kn_buf bytes;
    size_t sent;
    int fd; // owned; -1 once sent
};

static void out_free(struct kn_link_out *out)
{
    kn_buf_clear(&out->bytes);
    kn_close_fd(&out->fd);
    free(out);
}

void kn_link_init(struct kn_link *link, int fd, enum kn_frame_peer peer)
{
    *link = (struct kn_link){.fd = fd};
    kn_frame_decoder_init(&link->decoder, peer);
}

void kn_link_clear(struct kn_link *link)
{
    kn_close_fd(&link->fd);
    kn_frame_decoder_clear(&link->decoder);
    while (link->n_fds > 0)
        kn_close_fd(&link->fds[--link->n_fds]);
    while (link->out) {
        struct kn_link_out *out = link->out;
        link->out = out->next;
        out_free(out);
    }
    link->out_last = NULL;
    link->n_out_bytes = 0;
}

kn_code kn_link_pair(int fds[2], struct kn_error *err)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        return kn_fail_errno(err, errno, "cannot make a socket pair");
    // A megabyte in flight, so that a block travels in few turns; the kernel may grant less.
    int size = KN_LINK_BLOCK;
    for (int i = 0; i < 2; i++)
        (void)setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)); // only speed
    return KN_OK;
}

/* ---- sending ---- */

// One sendmsg() of what is left of a frame, its descriptor beside the first byte.
static ssize_t out_send(const struct kn_link *link, struct kn_link_out *out)
{
    struct iovec piece = {out->bytes.data + out->sent, out->bytes.len - out->sent};
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    if (out->fd >= 0) {
        message.msg_control = control.space;
        message.msg_controllen = sizeof(control.space);
        struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(rights), &out->fd, sizeof(int));
    }
    ssize_t n;
    do
        n = sendmsg(link->fd, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n;
}

kn_code kn_link_flush(struct kn_link *link, struct kn_error *err)
{
    while (link->out) {
        struct kn_link_out *out = link->out;
        ssize_t n = out_send(link, out);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return KN_OK;
        if (n < 0)
            return kn_fail_as(err, KN_EIO, errno == EPIPE || errno == ECONNRESET ? "LinkClosed" : "",
                              "cannot send over the link: %s", strerror(errno));
        kn_close_fd(&out->fd);
        out->sent += (size_t)n;
        link->n_out_bytes -= (size_t)n;
        if (out->sent < out->bytes.len)
            continue;
        link->out = out->next;
        if (!link->out)
            link->out_last = NULL;
        out_free(out);
    }
    return KN_OK;
}

kn_code kn_link_post(struct kn_link *link, enum kn_frame_type type, uint32_t request,
                     const void *payload, size_t n, int fd, struct kn_error *err)
{
    kn_auto(kn_close_fd) int owned_fd = fd;
    if (n > kn_frame_limit(type))
        return kn_fail(err, KN_ELIMIT, "a %s of %zu bytes is too large to send",
                       kn_frame_name(type), n);
    struct kn_link_out *out = calloc(1, sizeof(*out));
    if (!out)
        return kn_fail(err, KN_ENOMEM, "no memory to send a %s", kn_frame_name(type));
    out->fd = owned_fd;
    owned_fd = -1;
    kn_frame_encode(&out->bytes, type, request, out->fd >= 0, payload, n);
    if (!kn_buf_ok(&out->bytes)) {
        out_free(out);
        return kn_fail(err, KN_ENOMEM, "no memory to send a %s", kn_frame_name(type));
    }
    if (link->out_last)
        link->out_last->next = out;
    else
        link->out = out;
    link->out_last = out;
    link->n_out_bytes += out->bytes.len;
    return kn_link_flush(link, err);
}

kn_code kn_link_post_json(struct kn_link *link, enum kn_frame_type type, uint32_t request,
                          json_t *object, int fd, struct kn_error *err)
{
    kn_auto(kn_close_fd) int owned_fd = fd;
    kn_auto(kn_free) char *text = object ? kn_json_text(object) : NULL;
    json_decref(object);
    if (!text)
        return kn_fail(err, KN_ENOMEM, "no memory to send a %s", kn_frame_name(type));
    return kn_link_post(link, type, request, text, strlen(text), KN_TAKE_FD(owned_fd), err);
}

kn_code kn_link_post_error(struct kn_link *link, uint32_t request, const struct kn_error *what,
                           struct kn_error *err)
{
    json_t *object = json_pack("{s:s, s:s, s:s}", "code", kn_code_name(what->code), "reason",
                               what->reason, "message", what->message);
    if (!object) // the message is no UTF-8: a file name, most likely
        object = json_pack("{s:s, s:s, s:s}", "code", kn_code_name(what->code), "reason",
                           what->reason, "message", "an error whose text cannot be shown");
    return kn_link_post_json(link, KN_FRAME_ERROR, request, object, -1, err);
}

/* ---- receiving ---- */

// Keep the descriptors of a message; more than fit belong to a peer that breaks the rules.
static kn_code link_keep_fds(struct kn_link *link, struct msghdr *message, struct kn_error *err)
{
    kn_code rc = KN_OK;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            if (link->n_fds < (int)KN_COUNT(link->fds)) {
                link->fds[link->n_fds++] = fd;
            } else {
                kn_close_fd(&fd);
                rc = kn_fail_as(err, KN_EINVAL, "BrokenFrame", "too many descriptors at once");
            }
        }
    }
    return rc;
}

kn_code kn_link_pump(struct kn_link *link, bool *out_is_open, struct kn_error *err)
{
    char bytes[64 * 1024];
    char control[CMSG_SPACE(sizeof(int) * 4)] __attribute__((aligned(8)));
    struct iovec piece = {bytes, sizeof(bytes)};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    // Without room for them the kernel closes descriptors that a child may try to give us.
    if (link->decoder.peer != KN_PEER_CHILD) {
        message.msg_control = control;
        message.msg_controllen = sizeof(control);
    }
    *out_is_open = true;
    ssize_t n;
    do
        n = recvmsg(link->fd, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return KN_OK;
    if (n < 0 && errno != ECONNRESET)
        return kn_fail(err, KN_EIO, "cannot receive over the link: %s", strerror(errno));
    if (n <= 0) {
        *out_is_open = false;
        return KN_OK;
    }
    kn_code rc = link_keep_fds(link, &message, err);
    return rc ? rc : kn_frame_decoder_feed(&link->decoder, bytes, (size_t)n, err);
}

kn_code kn_link_next(struct kn_link *link, struct kn_frame *out, int *out_fd, bool *out_has,
                     struct kn_error *err)
{
    *out_fd = -1;
    kn_code rc = kn_frame_decoder_next(&link->decoder, out, out_has, err);
    if (rc || !*out_has || !out->has_fd)
        return rc;
    if (link->n_fds == 0)
        return kn_fail_as(err, KN_EINVAL, "BrokenFrame", "a %s without its descriptor",
                          kn_frame_name(out->type));
    *out_fd = link->fds[0];
    link->n_fds--;
    memmove(link->fds, link->fds + 1, (size_t)link->n_fds * sizeof(int));
    return KN_OK;
}

kn_code kn_link_receive(struct kn_link *link, struct kn_frame *out, int *out_fd,
                        struct kn_error *err)
{
    for (;;) {
        bool has = false, is_open = true;
        kn_code rc = kn_link_next(link, out, out_fd, &has, err);
        if (rc || has)
            return rc;
        rc = kn_link_pump(link, &is_open, err);
        if (rc)
            return rc;
        if (!is_open)
            return kn_fail_as(err, KN_EIO, "LinkClosed", "the other end of the link has closed");
    }
}

/* ---- payloads ---- */

kn_code kn_frame_json(const struct kn_frame *frame, json_t **out, struct kn_error *err)
{
    *out = NULL;
    json_auto_t *value = json_loadb(frame->payload, frame->n, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(value))
        return kn_fail_as(err, KN_EINVAL, "BrokenFrame", "a %s that is no JSON object",
                          kn_frame_name(frame->type));
    *out = KN_TAKE(value);
    return KN_OK;
}

kn_code kn_frame_error(const json_t *object, struct kn_error *err)
{
    kn_code code = kn_code_from_name(kn_json_get(object, "code", ""));
    if (code == KN_OK)
        code = KN_EBUG;
    return kn_fail_as(err, code, kn_json_get(object, "reason", ""), "%s",
                      kn_json_get(object, "message", "no message"));
}

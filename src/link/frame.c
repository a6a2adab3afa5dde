/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Encoding and decoding of frames. One table says who may send what, how large and with what. */
#include "link/frame.h"

#include <string.h>

#include "base/limits.h"

#define SMALL (64 * 1024) // a question or an event: a URI of 1 MiB is nobody's
#define FROM(peer) (1u << (peer))

static const struct rule {
    const char *name;
    unsigned senders;
    size_t max_payload;
    bool may_carry_fd;
} rules[KN_N_FRAME_TYPES] = {
    [KN_FRAME_NONE] = {"none", 0, 0, false},
    [KN_FRAME_FORK] = {"fork", FROM(KN_PEER_SUPERVISOR), SMALL, true},
    [KN_FRAME_FORKED] = {"forked", FROM(KN_PEER_NURSERY), SMALL, true},
    [KN_FRAME_EXITED] = {"exited", FROM(KN_PEER_NURSERY), SMALL, false},
    // A timeline of megabytes is one spec; the frame adds folders and limits.
    [KN_FRAME_JOB] = {"job", FROM(KN_PEER_SUPERVISOR), KN_MAX_JSON_BYTES + SMALL, false},
    [KN_FRAME_ANSWER] = {"answer", FROM(KN_PEER_SUPERVISOR), KN_MAX_JSON_BYTES, true},
    [KN_FRAME_BYTES] = {"bytes", FROM(KN_PEER_SUPERVISOR), KN_LINK_BLOCK, false},
    [KN_FRAME_ERROR] = {"error", FROM(KN_PEER_SUPERVISOR) | FROM(KN_PEER_NURSERY), SMALL, false},
    [KN_FRAME_OPEN_INPUT] = {"open input", FROM(KN_PEER_CHILD), SMALL, false},
    [KN_FRAME_READ] = {"read", FROM(KN_PEER_CHILD), 256, false},
    [KN_FRAME_OPEN_OUTPUT] = {"open output", FROM(KN_PEER_CHILD), SMALL, false},
    [KN_FRAME_COMMIT] = {"commit", FROM(KN_PEER_CHILD), 256, false},
    [KN_FRAME_DROP] = {"drop", FROM(KN_PEER_CHILD), 256, false},
    [KN_FRAME_ENGINE] = {"engine call", FROM(KN_PEER_CHILD), KN_LINK_BLOCK, false},
    [KN_FRAME_PROGRESS] = {"progress", FROM(KN_PEER_CHILD), SMALL, false},
    [KN_FRAME_LOG] = {"log", FROM(KN_PEER_CHILD), 4096, false},
    // Metadata of every output of a large job; the record keeps it.
    [KN_FRAME_RESULT] = {"result", FROM(KN_PEER_CHILD), 4 * 1024 * 1024, false},
};

size_t kn_frame_limit(enum kn_frame_type type)
{
    return rules[type].max_payload;
}

const char *kn_frame_name(enum kn_frame_type type)
{
    return rules[type].name;
}

/* ---- integers ---- */

static void put_le(unsigned char *out, uint32_t value, int n)
{
    for (int i = 0; i < n; i++)
        out[i] = (unsigned char)(value >> (8 * i));
}

static uint32_t get_le(const unsigned char *in, int n)
{
    uint32_t value = 0;
    for (int i = 0; i < n; i++)
        value |= (uint32_t)in[i] << (8 * i);
    return value;
}

void kn_frame_encode(struct kn_buf *out, enum kn_frame_type type, uint32_t request, bool has_fd,
                     const void *payload, size_t n)
{
    unsigned char header[KN_FRAME_HEADER] = {0};
    put_le(header, (uint32_t)n, 4);
    put_le(header + 4, (uint32_t)type, 2);
    put_le(header + 6, has_fd ? 1 : 0, 2);
    put_le(header + 8, request, 4);
    kn_buf_add(out, header, sizeof(header));
    if (n)
        kn_buf_add(out, payload, n);
}

/* ---- the decoder ---- */

void kn_frame_decoder_init(struct kn_frame_decoder *decoder, enum kn_frame_peer peer)
{
    *decoder = (struct kn_frame_decoder){.peer = peer};
}

void kn_frame_decoder_clear(struct kn_frame_decoder *decoder)
{
    kn_buf_clear(&decoder->bytes);
    decoder->at = decoder->restore_at = 0;
}

// Undo the NUL written behind the last payload, and forget what has been answered.
static void decoder_settle(struct kn_frame_decoder *decoder)
{
    if (decoder->restore_at)
        decoder->bytes.data[decoder->restore_at] = decoder->restore;
    decoder->restore_at = 0;
    if (decoder->at == 0)
        return;
    if (decoder->at == decoder->bytes.len)
        kn_buf_reset(&decoder->bytes);
    else
        kn_buf_drop_front(&decoder->bytes, decoder->at);
    decoder->at = 0;
}

kn_code kn_frame_decoder_feed(struct kn_frame_decoder *decoder, const void *bytes, size_t n,
                              struct kn_error *err)
{
    decoder_settle(decoder);
    kn_buf_add(&decoder->bytes, bytes, n);
    if (!kn_buf_ok(&decoder->bytes))
        return kn_fail(err, KN_ENOMEM, "no memory for a frame");
    return KN_OK;
}

static kn_code broken(struct kn_error *err, const char *why, uint32_t value)
{
    return kn_fail_as(err, KN_EINVAL, "BrokenFrame", "broken frame: %s (%u)", why, value);
}

kn_code kn_frame_decoder_next(struct kn_frame_decoder *decoder, struct kn_frame *out,
                              bool *out_has, struct kn_error *err)
{
    *out_has = false;
    *out = (struct kn_frame){0};
    if (decoder->restore_at)
        decoder->bytes.data[decoder->restore_at] = decoder->restore;
    decoder->restore_at = 0;
    size_t have = decoder->bytes.len - decoder->at;
    if (have < KN_FRAME_HEADER)
        return KN_OK;
    const unsigned char *header = (const unsigned char *)decoder->bytes.data + decoder->at;
    uint32_t length = get_le(header, 4), type = get_le(header + 4, 2), n_fd = get_le(header + 6, 2);
    if (type >= KN_N_FRAME_TYPES || !(rules[type].senders & FROM(decoder->peer)))
        return broken(err, "a type its sender may not send", type);
    if (length > rules[type].max_payload)
        return broken(err, "too long for its type", length);
    if (n_fd > 1 || (n_fd && !rules[type].may_carry_fd))
        return broken(err, "a descriptor where none belongs", n_fd);
    if (get_le(header + 12, 4) != 0)
        return broken(err, "reserved bits are set", get_le(header + 12, 4));
    if (have - KN_FRAME_HEADER < length)
        return KN_OK;

    *out = (struct kn_frame){
        .type = (enum kn_frame_type)type,
        .request = get_le(header + 8, 4),
        .has_fd = n_fd == 1,
        .payload = (const char *)header + KN_FRAME_HEADER,
        .n = length,
    };
    decoder->at += KN_FRAME_HEADER + length;
    // The buffer itself ends in a NUL; in front of a following frame one is lent.
    if (decoder->at < decoder->bytes.len) {
        decoder->restore_at = decoder->at;
        decoder->restore = decoder->bytes.data[decoder->at];
        decoder->bytes.data[decoder->at] = '\0';
    }
    *out_has = true;
    return KN_OK;
}

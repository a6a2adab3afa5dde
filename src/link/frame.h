#pragma once
/*
 * The protocol between a supervisor and those it does not trust: one Unix stream socket per job's
 * child, and one to the nursery. Everything on it is a frame; integers are little-endian.
 *
 *      0        4      6      8         12         16
 *     +--------+------+------+---------+----------+------------------------+
 *     | length | type | n_fd | request | reserved | payload: `length` bytes |
 *     +--------+------+------+---------+----------+------------------------+
 *
 * n_fd is 0 or 1: a descriptor travels beside the frame's first byte (SCM_RIGHTS). `request` joins an
 * answer to its question; frames that want no answer carry 0. Payloads are JSON objects, except BYTES.
 *
 *     supervisor ── FORK {ahead} + socket ──> nursery ── fork ──> child
 *     supervisor <── FORKED {pid} + pidfd, EXITED {pid, status, …} ── nursery
 *
 *     supervisor ── JOB {kind, spec, folders, limits} ──────────────> child
 *     supervisor <── OPEN_INPUT {uri} ───── ANSWER {size, identity} + fd,
 *                                           or ANSWER {handle, size, identity}, then
 *                    READ {handle, offset, n} ── BYTES
 *     supervisor <── OPEN_OUTPUT {uri} ──── ANSWER {handle} + fd
 *     supervisor <── COMMIT {handle} ────── ANSWER {}      DROP {handle}: no answer
 *     supervisor <── ENGINE {…} ─────────── ANSWER {…}
 *     supervisor <── PROGRESS {fraction, detail}, LOG {level, line}, RESULT {code, …, result}
 *
 * Any question may be answered by ERROR {code, reason, message}. Cancelling is no frame but SIGTERM,
 * then SIGKILL: it must reach a child that reads nothing. A peer that breaks the rules (a type it may
 * not send, a length beyond its type's limit, a descriptor where none belongs) has ended its own job.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

#define KN_FRAME_HEADER 16
// The unit of ranged reads and of the block cache behind them (decisions 16).
#define KN_LINK_BLOCK (1024 * 1024)

enum kn_frame_type {
    KN_FRAME_NONE = 0,
    // supervisor -> nursery, and back
    KN_FRAME_FORK,
    KN_FRAME_FORKED,
    KN_FRAME_EXITED,
    // supervisor -> child
    KN_FRAME_JOB,
    KN_FRAME_ANSWER,
    KN_FRAME_BYTES,
    KN_FRAME_ERROR,
    // child -> supervisor
    KN_FRAME_OPEN_INPUT,
    KN_FRAME_READ,
    KN_FRAME_OPEN_OUTPUT,
    KN_FRAME_COMMIT,
    KN_FRAME_DROP,
    KN_FRAME_ENGINE,
    KN_FRAME_PROGRESS,
    KN_FRAME_LOG,
    KN_FRAME_RESULT,
    KN_N_FRAME_TYPES,
};

/* Who is at the other end: decides what we accept. */
enum kn_frame_peer {
    KN_PEER_CHILD = 0, // the least trusted
    KN_PEER_NURSERY,
    KN_PEER_SUPERVISOR,
};

/* A decoded frame. The payload is borrowed from the decoder and followed by a NUL. */
struct kn_frame {
    enum kn_frame_type type;
    uint32_t request;
    bool has_fd;
    const char *payload;
    size_t n;
};

struct kn_frame_decoder {
    enum kn_frame_peer peer;
    struct kn_buf bytes; // owned; received and not yet forgotten
    size_t at;           // start of the first frame not yet answered by next()
    size_t restore_at;   // where the NUL after the last payload hides a byte; 0: nowhere
    char restore;
};

void kn_frame_decoder_init(struct kn_frame_decoder *decoder, enum kn_frame_peer peer);
void kn_frame_decoder_clear(struct kn_frame_decoder *decoder);
kn_code kn_frame_decoder_feed(struct kn_frame_decoder *decoder, const void *bytes, size_t n,
                              struct kn_error *err);
/*
 * The next whole frame, valid until the next call on this decoder. *out_has false: feed more.
 * KN_EINVAL, reason "BrokenFrame": the peer broke the rules; nothing more can be read.
 */
kn_code kn_frame_decoder_next(struct kn_frame_decoder *decoder, struct kn_frame *out,
                              bool *out_has, struct kn_error *err);

/* Append header and payload to `out`. */
void kn_frame_encode(struct kn_buf *out, enum kn_frame_type type, uint32_t request, bool has_fd,
                     const void *payload, size_t n);

/* The largest payload a type may carry. */
size_t kn_frame_limit(enum kn_frame_type type);
const char *kn_frame_name(enum kn_frame_type type);

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Boxes in memory: heads, numbers, children; nothing reads past what is there. */
#include "engine/caption/mp4.h"

bool kn_mp4_head(struct kn_mp4_head *head, const uint8_t *bytes, size_t n)
{
    struct kn_mp4_span span = {bytes, n, false};
    const uint64_t size = kn_mp4_get(&span, 4);
    *head = (struct kn_mp4_head){.type = (uint32_t)kn_mp4_get(&span, 4), .n_head = 8};
    uint64_t whole = size;
    if (size == 1) {
        whole = kn_mp4_get(&span, 8);
        head->n_head = 16;
    }
    if (span.is_short || (size != 0 && whole < (uint64_t)head->n_head) || whole > INT64_MAX)
        return false;
    head->n = size == 0 ? -1 : (int64_t)whole - head->n_head;
    return true;
}

uint64_t kn_mp4_get(struct kn_mp4_span *span, int n_bytes)
{
    if (span->n < (size_t)n_bytes) {
        kn_mp4_skip(span, span->n);
        span->is_short = true;
        return 0;
    }
    uint64_t value = 0;
    for (int i = 0; i < n_bytes; i++)
        value = value << 8 | span->at[i];
    span->at += n_bytes;
    span->n -= (size_t)n_bytes;
    return value;
}

void kn_mp4_skip(struct kn_mp4_span *span, size_t n)
{
    if (n > span->n) {
        span->is_short = true;
        n = span->n;
    }
    if (n > 0) // an absent box has no bytes to point at
        span->at += n;
    span->n -= n;
}

bool kn_mp4_next(struct kn_mp4_span *span, uint32_t *out_type, struct kn_mp4_span *out_payload)
{
    struct kn_mp4_head head;
    if (span->n < 8 || !kn_mp4_head(&head, span->at, span->n))
        return false;
    kn_mp4_skip(span, (size_t)head.n_head);
    const size_t n = head.n < 0 || (uint64_t)head.n > span->n ? span->n : (size_t)head.n;
    *out_type = head.type;
    *out_payload = (struct kn_mp4_span){span->at, n, false};
    kn_mp4_skip(span, n);
    return true;
}

struct kn_mp4_span kn_mp4_find(struct kn_mp4_span span, uint32_t type)
{
    uint32_t found;
    struct kn_mp4_span payload;
    while (kn_mp4_next(&span, &found, &payload))
        if (found == type)
            return payload;
    return (struct kn_mp4_span){0};
}

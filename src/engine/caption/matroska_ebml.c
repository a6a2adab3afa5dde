/* SPDX-License-Identifier: GPL-3.0-or-later */
/* EBML heads and values. */
#include "engine/caption/matroska_ebml.h"

#include <string.h>

// Bytes that a number takes, by the place of the first set bit; 9 when there is none.
static inline int vint_bytes(uint8_t first)
{
    return first ? __builtin_clz(first) - 23 : 9; // a byte is the last of an unsigned's four
}

int kn_ebml_vint(const uint8_t *bytes, size_t n, uint64_t *out)
{
    if (n == 0)
        return 0;
    const int length = vint_bytes(bytes[0]);
    if (length > 8 || (size_t)length > n)
        return 0;
    uint64_t value = bytes[0] & ((1u << (8 - length)) - 1);
    for (int i = 1; i < length; i++)
        value = value << 8 | bytes[i];
    *out = value;
    return length;
}

static inline enum kn_ebml_answer head_read(struct kn_ebml_head *head, const uint8_t *bytes, size_t n)
{
    if (n == 0)
        return KN_EBML_SHORT;
    const int n_id = vint_bytes(bytes[0]);
    if (n_id > 4)
        return KN_EBML_BAD;
    if ((size_t)n_id >= n)
        return KN_EBML_SHORT;
    uint32_t id = bytes[0];
    for (int i = 1; i < n_id; i++)
        id = id << 8 | bytes[i];
    const uint8_t *at = bytes + n_id;
    const int n_size = vint_bytes(at[0]);
    if (n_size > 8)
        return KN_EBML_BAD;
    if ((size_t)(n_id + n_size) > n)
        return KN_EBML_SHORT;
    uint64_t size = at[0] & (0xFFu >> n_size);
    for (int i = 1; i < n_size; i++)
        size = size << 8 | at[i];
    const uint64_t unknown = (UINT64_C(1) << (7 * n_size)) - 1;
    head->id = id;
    head->n = size == unknown ? KN_EBML_UNKNOWN : (int64_t)size;
    head->n_head = n_id + n_size;
    return KN_EBML_OK;
}

enum kn_ebml_answer kn_ebml_head(struct kn_ebml_head *head, const uint8_t *bytes, size_t n)
{
    return head_read(head, bytes, n);
}

bool kn_ebml_next(struct kn_ebml_span *span, struct kn_ebml_element *out)
{
    struct kn_ebml_head head;
    if (head_read(&head, span->at, span->n) != KN_EBML_OK)
        return false;
    const size_t room = span->n - (size_t)head.n_head;
    const bool is_cut = head.n != KN_EBML_UNKNOWN && (uint64_t)head.n > room;
    const size_t n = head.n == KN_EBML_UNKNOWN || is_cut ? room : (size_t)head.n;
    *out = (struct kn_ebml_element){
        .id = head.id, .bytes = span->at + head.n_head, .n = n, .is_cut = is_cut};
    span->at += (size_t)head.n_head + n;
    span->n = room - n;
    return true;
}

uint64_t kn_ebml_uint(const struct kn_ebml_element *element)
{
    uint64_t value = 0;
    if (element->n > 8)
        return 0;
    for (size_t i = 0; i < element->n; i++)
        value = value << 8 | element->bytes[i];
    return value;
}

double kn_ebml_float(const struct kn_ebml_element *element)
{
    const uint64_t bits = kn_ebml_uint(element);
    if (element->n == 4) {
        const uint32_t narrow = (uint32_t)bits;
        float value;
        memcpy(&value, &narrow, sizeof(value));
        return (double)value;
    }
    double value = 0;
    if (element->n == 8)
        memcpy(&value, &bits, sizeof(value));
    return value;
}

#pragma once
/*
 * EBML (RFC 8794), the brackets Matroska is written in: an ID, a size, that many bytes.
 *
 *     1A 45 DF A3 | 9F | …                 ID of 1-4 bytes, marker bit kept
 *                   └ size of 1-8 bytes, marker bit dropped; all ones: unknown
 *
 * Everything is checked against the bytes at hand; a child that says it is longer than its parent is
 * cut to it. Thread-safety: plain functions over the caller's memory.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KN_EBML_UNKNOWN INT64_C(-1)
// The longest head: an ID of 4 bytes, a size of 8.
#define KN_EBML_HEAD_BYTES 12

struct kn_ebml_head {
    uint32_t id;
    int64_t n;  // of the payload; KN_EBML_UNKNOWN
    int n_head; // bytes the head itself takes
};

enum kn_ebml_answer {
    KN_EBML_BAD = 0, // no head can begin with these bytes
    KN_EBML_OK,
    KN_EBML_SHORT, // the bytes end inside the head
};

enum kn_ebml_answer kn_ebml_head(struct kn_ebml_head *head, const uint8_t *bytes, size_t n);

/*
 * A number written like a size (track numbers, sizes of laces), marker dropped: its value and how many
 * bytes it takes, 0 when it does not fit into `n`.
 */
int kn_ebml_vint(const uint8_t *bytes, size_t n, uint64_t *out);

// What is left of a parent's children.
struct kn_ebml_span {
    const uint8_t *at; // borrowed
    size_t n;
};

struct kn_ebml_element {
    uint32_t id;
    const uint8_t *bytes; // borrowed
    size_t n;
    bool is_cut; // it says it is longer than its parent
};

/* The next child, or false at the end of what can be read. */
bool kn_ebml_next(struct kn_ebml_span *span, struct kn_ebml_element *out);

/* Values; an absent one (no bytes) is 0, as EBML has it. Longer than 8 bytes: 0. */
uint64_t kn_ebml_uint(const struct kn_ebml_element *element);
double kn_ebml_float(const struct kn_ebml_element *element);

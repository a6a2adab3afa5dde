#pragma once
/*
 * A growable byte buffer, always NUL-terminated, for building text and bodies.
 *
 * Allocation failure is remembered (`is_broken`) instead of being reported by every append: build,
 * then check once with kn_buf_ok(). Start with `struct kn_buf b = {0};`, end with kn_buf_clear().
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct kn_buf {
    char *data;      // owned; NULL while empty; data[len] is '\0'
    size_t len;
    size_t capacity;
    bool is_broken;  // an append found no memory; the contents are incomplete
};

void kn_buf_clear(struct kn_buf *buf);
void kn_buf_reset(struct kn_buf *buf);                    // empty it, keep the memory
bool kn_buf_reserve(struct kn_buf *buf, size_t more);     // room for `more` bytes and the NUL
void kn_buf_add(struct kn_buf *buf, const void *bytes, size_t n);
void kn_buf_puts(struct kn_buf *buf, const char *text);
void kn_buf_putc(struct kn_buf *buf, char c);
void kn_buf_printf(struct kn_buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void kn_buf_vprintf(struct kn_buf *buf, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));
void kn_buf_drop_front(struct kn_buf *buf, size_t n);     // forget the first n bytes

static inline bool kn_buf_ok(const struct kn_buf *buf)
{
    return !buf->is_broken;
}

/* The text, "" while empty; borrowed until the next change. */
static inline const char *kn_buf_text(const struct kn_buf *buf)
{
    return buf->data ? buf->data : "";
}

/* Take the memory (malloc'd, NUL-terminated) and leave the buffer empty; NULL when broken. */
char *kn_buf_take(struct kn_buf *buf);

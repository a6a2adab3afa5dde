/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A growable byte buffer: capacity doubles, so n appends cost O(n). */
#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void kn_buf_clear(struct kn_buf *buf)
{
    free(buf->data);
    *buf = (struct kn_buf){0};
}

void kn_buf_reset(struct kn_buf *buf)
{
    buf->len = 0;
    buf->is_broken = false;
    if (buf->data)
        buf->data[0] = '\0';
}

bool kn_buf_reserve(struct kn_buf *buf, size_t more)
{
    if (buf->is_broken)
        return false;
    if (more >= SIZE_MAX / 2 - buf->len) {
        buf->is_broken = true;
        return false;
    }
    size_t need = buf->len + more + 1;
    if (need <= buf->capacity)
        return true;
    size_t capacity = buf->capacity ? buf->capacity : 64;
    while (capacity < need)
        capacity *= 2;
    char *data = realloc(buf->data, capacity);
    if (!data) {
        buf->is_broken = true;
        return false;
    }
    buf->data = data;
    buf->capacity = capacity;
    buf->data[buf->len] = '\0';
    return true;
}

void kn_buf_add(struct kn_buf *buf, const void *bytes, size_t n)
{
    if (n == 0 || !kn_buf_reserve(buf, n))
        return;
    memcpy(buf->data + buf->len, bytes, n);
    buf->len += n;
    buf->data[buf->len] = '\0';
}

void kn_buf_puts(struct kn_buf *buf, const char *text)
{
    kn_buf_add(buf, text, strlen(text));
}

void kn_buf_putc(struct kn_buf *buf, char c)
{
    kn_buf_add(buf, &c, 1);
}

void kn_buf_vprintf(struct kn_buf *buf, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    // Most texts fit into what is there: formatting twice is for those that do not.
    const size_t room = buf->is_broken || !buf->data ? 0 : buf->capacity - buf->len;
    int n = vsnprintf(room ? buf->data + buf->len : NULL, room, fmt, args);
    bool is_whole = n >= 0 && (size_t)n < room;
    if (n < 0) {
        buf->is_broken = true;
    } else if (!is_whole && kn_buf_reserve(buf, (size_t)n)) {
        (void)vsnprintf(buf->data + buf->len, (size_t)n + 1, fmt, again);
        is_whole = true;
    }
    if (is_whole)
        buf->len += (size_t)n;
    else if (room)
        buf->data[buf->len] = '\0'; // what did not fit is not there
    va_end(again);
}

void kn_buf_printf(struct kn_buf *buf, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    kn_buf_vprintf(buf, fmt, args);
    va_end(args);
}

void kn_buf_drop_front(struct kn_buf *buf, size_t n)
{
    if (n >= buf->len) {
        kn_buf_reset(buf);
        return;
    }
    memmove(buf->data, buf->data + n, buf->len - n + 1);
    buf->len -= n;
}

char *kn_buf_take(struct kn_buf *buf)
{
    char *data = NULL;
    if (!buf->is_broken && kn_buf_reserve(buf, 0)) {
        data = buf->data;
        buf->data = NULL;
    }
    kn_buf_clear(buf);
    return data;
}

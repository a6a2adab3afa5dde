/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An arena of blocks: 4 KiB each, larger ones for larger wishes. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 4096

struct kn_arena_block {
    struct kn_arena_block *next;
    size_t used;
    size_t size;
    alignas(max_align_t) char bytes[];
};

void kn_arena_clear(struct kn_arena *arena)
{
    while (arena->blocks) {
        struct kn_arena_block *block = arena->blocks;
        arena->blocks = block->next;
        free(block);
    }
}

void *kn_arena_alloc(struct kn_arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct kn_arena_block *block = arena->blocks;
    if (!block || block->size - block->used < size) {
        size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;
        block = calloc(1, sizeof(*block) + room);
        if (!block)
            return NULL;
        block->size = room;
        block->next = arena->blocks;
        arena->blocks = block;
    }
    void *at = block->bytes + block->used;
    block->used += size;
    return at;
}

void *kn_arena_array(struct kn_arena *arena, size_t n, size_t size)
{
    if (size && n > SIZE_MAX / size)
        return NULL;
    return kn_arena_alloc(arena, n * size);
}

char *kn_arena_strndup(struct kn_arena *arena, const char *text, size_t n)
{
    if (!text)
        return NULL;
    size_t len = strnlen(text, n);
    char *copy = kn_arena_alloc(arena, len + 1);
    if (copy)
        memcpy(copy, text, len);
    return copy;
}

char *kn_arena_strdup(struct kn_arena *arena, const char *text)
{
    return text ? kn_arena_strndup(arena, text, strlen(text)) : NULL;
}

char *kn_arena_printf(struct kn_arena *arena, const char *fmt, ...)
{
    char small[256]; // most texts are short: they are formatted once
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(small, sizeof(small), fmt, args);
    char *text = n < 0 ? NULL : kn_arena_alloc(arena, (size_t)n + 1);
    if (text && (size_t)n < sizeof(small))
        memcpy(text, small, (size_t)n + 1);
    else if (text)
        (void)vsnprintf(text, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(args);
    return text;
}

#pragma once
/*
 * An arena: everything decoded from one request or one job lives in it and is released as a whole.
 * Not thread-safe: one arena, one thread at a time.
 */
#include <stdarg.h>
#include <stddef.h>

struct kn_arena {
    struct kn_arena_block *blocks; // owned, newest first
};

void kn_arena_clear(struct kn_arena *arena);

/* `size` zeroed bytes, aligned for anything, or NULL without memory. */
void *kn_arena_alloc(struct kn_arena *arena, size_t size);
/* An array of zeroed elements; NULL on overflow too. */
void *kn_arena_array(struct kn_arena *arena, size_t n, size_t size);
/* Copies; a NULL text gives NULL. */
char *kn_arena_strdup(struct kn_arena *arena, const char *text);
char *kn_arena_strndup(struct kn_arena *arena, const char *text, size_t n);
char *kn_arena_printf(struct kn_arena *arena, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#define KN_ARENA_NEW(arena, type) ((type *)kn_arena_alloc((arena), sizeof(type)))

#pragma once
/*
 * A bounded queue of pointers between threads: the way threads of one process pass messages.
 *
 * kn_channel_push() waits while it is full, kn_channel_pop() while it is empty. Closing wakes
 * everybody: pushes then fail, pops drain what is left and then answer NULL.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kn_channel;

struct kn_channel *kn_channel_new(size_t capacity); // NULL without memory
/* What is still inside is given to `drop` (may be NULL). No thread may be waiting. */
void kn_channel_free(struct kn_channel **channel, void (*drop)(void *item));

bool kn_channel_push(struct kn_channel *channel, void *item); // false: closed, item stays yours
bool kn_channel_try_push(struct kn_channel *channel, void *item); // false: full or closed
void *kn_channel_pop(struct kn_channel *channel);             // NULL: closed and empty
/* Waits at most until kn_mono_us() reaches deadline_us; NULL then, too. */
void *kn_channel_pop_until(struct kn_channel *channel, int64_t deadline_us);
void kn_channel_close(struct kn_channel *channel);
size_t kn_channel_length(struct kn_channel *channel);

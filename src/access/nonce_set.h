#pragma once
/*
 * The nonces of calls that change nothing, in memory: four sets of ten minutes each, of which the
 * oldest is dropped whole. Thread-safe.
 */
#include <stdint.h>

#include "base/error.h"

struct kn_nonce_set;
struct kn_nonce_set *kn_nonce_set_new(void); // NULL without memory
void kn_nonce_set_free(struct kn_nonce_set **set);
/* KN_ECONFLICT: used before; KN_ELIMIT: the set is full. `now_us` of kn_mono_us(). */
kn_code kn_nonce_set_use(struct kn_nonce_set *set, const char *key_id, const char *nonce,
                         int64_t now_us, struct kn_error *err);

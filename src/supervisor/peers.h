#pragma once
/*
 * Supervisors that share a data folder look after each other: each holds a lock on
 * DATA/workers/<worker id> as long as it lives. A file that is there and can be locked belongs to a
 * dead one; the kernel lets go of the lock in the moment of its death, and no number is ever reused.
 *
 * Thread-safety: one thread at a time.
 */
#include <stdbool.h>

#include "base/error.h"
#include "base/id.h"

struct kn_peers;

/* Register. Both texts are copied. */
kn_code kn_peers_new(struct kn_peers **out, const char *data_folder, const char *worker_id,
                     struct kn_error *err);
/* Take our own registration away. */
void kn_peers_free(struct kn_peers **peers);
/* One dead peer whose jobs are to be given back; false when there is none. */
bool kn_peers_next_dead(struct kn_peers *peers, char out_worker_id[KN_ID_SIZE]);
/* Its jobs have been given back. */
void kn_peers_forget(struct kn_peers *peers, const char *worker_id);

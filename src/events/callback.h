#pragma once
/*
 * The account-wide callback: whom SetEventCallback says to tell, and of what (spec 02, 10.1).
 *
 * One row. It is read inside the transaction that changes a job, so a change of it holds from the
 * next event on; deliveries that still wait follow to the new address, for whoever corrects a wrong
 * URL wants yesterday's events there, too. Thread-safe: all state is in the database.
 */
#include <stdbool.h>

#include "base/error.h"
#include "db/db.h"

struct kn_callback {
    char type[8];           // "HTTP", "MNS", or "": nobody is told
    char url[257];          // CallbackURL; HTTP
    char queue_name[257];   // CallbackQueueName; MNS
    char event_types[2048]; // EventTypeList: comma-separated; "" none, "ALL" all
    bool is_signed;         // AuthSwitch "on"
    char auth_key[33];      // AuthKey; a secret
};

/* Never set: everything is empty, and KN_OK. */
kn_code kn_callback_get(struct kn_db *db, struct kn_callback *out, struct kn_error *err);
/* The same within a transaction. */
kn_code kn_callback_get_tx(struct kn_tx *tx, struct kn_callback *out, struct kn_error *err);

/*
 * Check and store; an empty type removes the callback, and what still waits is set aside. Account-wide
 * deliveries that wait go to the new address, beginning now.
 *
 * KN_EINVAL, reason "InvalidParameter": an unknown type; an http(s) URL that is none; a queue name
 * that does not begin with "ice-callback"; a signature asked for without a key, or a key that is not
 * letters and digits.
 */
kn_code kn_callback_set(struct kn_db *db, const struct kn_callback *callback,
                        struct kn_error *err);

/*
 * Whether EventTypeList names `event_name`. "ALL" means every event of jobs; those of objects
 * ("ObjectCreated:PutObject") are named one by one or as "ObjectCreated:*".
 */
bool kn_callback_wants(const struct kn_callback *callback, const char *event_name);

/*
 * The key of what concurrency is bounded by: "https://host:port" of a URL (its own text when it has
 * no authority), "mns:<queue>" otherwise. `out` holds 300 bytes; longer ones are cut.
 */
void kn_callback_receiver(char out[300], const char *target_kind, const char *target);

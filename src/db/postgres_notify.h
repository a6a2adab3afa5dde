#pragma once
/*
 * Wake-ups between processes over LISTEN/NOTIFY. PostgreSQL serialises the commits of transactions
 * that notify, so that none of ours do: topics are gathered for a few milliseconds and sent by one
 * thread on a connection of its own. While that connection is down, all watchers are woken every
 * second: polling is the fallback.
 */
#include <libpq-fe.h>

#include "db/backend.h"

struct kn_pg_notify;

/* A connection with our time limits; NULL without memory. May have failed: see PQstatus(). */
PGconn *kn_pg_connect(const char *url);

/* `url` and `watchers` are borrowed and outlive it. */
kn_code kn_pg_notify_new(struct kn_pg_notify **out, const char *url, struct kn_watchers *watchers,
                         struct kn_error *err);
void kn_pg_notify_free(struct kn_pg_notify **notify);
/* Tell the other processes, soon. NULL is welcome. */
void kn_pg_notify_send(struct kn_pg_notify *notify, const struct kn_topics *topics);

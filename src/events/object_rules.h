#pragma once
/*
 * Rules: which changes of objects are announced on which queue or topic (spec 09, 6.2; the vendor's
 * CreateEventRule, Mns-open 2022-01-19).
 *
 * A rule names events and objects. Objects are named by lists of lists of conditions: one list must hold
 * whole. A condition compares "BUCKET/KEY": Name says a bucket or an object, Prefix how the text begins,
 * Suffix how it ends; MatchState false turns it round. What the vendor writes before the bucket
 * ("acs:oss:REGION:ACCOUNT:") is accepted and not looked at: there is one account.
 *
 * Thread-safe: all state is in the database; a rule holds for every change committed after it.
 */
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/error.h"
#include "db/db.h"

// Every change of an object compares all of them.
#define KN_MAX_EVENT_RULES 100
// The vendor's bound of a rule's name.
#define KN_EVENT_RULE_NAME 85

struct kn_event_rule {
    const char *name;          // letters, digits, - and _
    json_t *event_types;       // owned: ["ObjectCreated:*", "ObjectRemoved:DeleteObject"]
    json_t *match_rules;       // owned: [[{Name | Prefix, Suffix; MatchState}]]
    const char *endpoint_type; // "queue", "topic"
    const char *endpoint;      // its name
    int64_t created_us;
};
void kn_event_rule_clear(struct kn_event_rule *rule);

/*
 * Check and store.
 *
 * KN_EINVAL     InvalidParameter, with the field's path: a name, an event, a condition or an endpoint that is none
 * KN_ECONFLICT  EventRuleExists: another rule has this name (the same one again is KN_OK)
 * KN_ELIMIT     EventRuleLimit: there are KN_MAX_EVENT_RULES
 */
kn_code kn_event_rule_create(struct kn_db *db, const struct kn_event_rule *rule, struct kn_error *err);
/* KN_ENOTFOUND, EventRuleNotExist. */
kn_code kn_event_rule_delete(struct kn_db *db, const char *name, struct kn_error *err);
/*
 * By name; a malloc'd array whose elements are to be cleared (kn_event_rules_free()). Texts in `arena`.
 *   name  NULL: all
 */
kn_code kn_event_rule_list(struct kn_db *db, const char *name, struct kn_arena *arena,
                           struct kn_event_rule **out, size_t *out_n, struct kn_error *err);
/* The same within a transaction. */
kn_code kn_event_rule_list_tx(struct kn_tx *tx, const char *name, struct kn_arena *arena,
                              struct kn_event_rule **out, size_t *out_n, struct kn_error *err);
void kn_event_rules_free(struct kn_event_rule **rules, size_t n);

/* Whether the rule names this event of this object. */
bool kn_event_rule_matches(const struct kn_event_rule *rule, const char *event, const char *bucket,
                           const char *key);
/* Whether one of its conditions speaks of this bucket. */
bool kn_event_rule_names_bucket(const struct kn_event_rule *rule, const char *bucket);

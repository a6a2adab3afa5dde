/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rules of object events: checking, rows, matching. */
#include "events/object_rules.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"

#define COLUMNS "name, event_types, match_rules, endpoint_type, endpoint, created_us"
// The vendor's bound of resources in a rule.
#define MAX_LISTS 5
#define MAX_CONDITIONS 5

// What is announced here. Others of the vendor's words are refused when a rule is made: a rule that can
// never speak helps nobody.
static const char *const events[] = {
    "ObjectCreated:*",          "ObjectCreated:PutObject",    "ObjectCreated:PostObject",
    "ObjectCreated:CopyObject", "ObjectCreated:AppendObject", "ObjectCreated:CompleteMultipartUpload",
    "ObjectRemoved:*",          "ObjectRemoved:DeleteObject", "ObjectRemoved:DeleteObjects",
};

void kn_event_rule_clear(struct kn_event_rule *rule)
{
    json_decref(rule->event_types);
    json_decref(rule->match_rules);
    *rule = (struct kn_event_rule){0};
}

void kn_event_rules_free(struct kn_event_rule **rules, size_t n)
{
    for (size_t i = 0; *rules && i < n; i++)
        kn_event_rule_clear(&(*rules)[i]);
    free(*rules);
    *rules = NULL;
}

/* ---- checking ---- */

static kn_code invalid(struct kn_error *err, const char *path, const char *why)
{
    return kn_fail_as(err, KN_EINVAL, "InvalidParameter", "'%s' %s", path, why);
}

static bool name_is_valid(const char *name)
{
    size_t n = strlen(name);
    for (const char *c = name; *c; c++) {
        if (!isalnum((unsigned char)*c) && *c != '-' && *c != '_')
            return false;
    }
    return n > 0 && n <= KN_EVENT_RULE_NAME;
}

static kn_code event_types_check(const json_t *types, struct kn_error *err)
{
    if (json_array_size(types) == 0)
        return invalid(err, "EventTypes", "names no event");
    size_t i;
    json_t *type;
    json_array_foreach(types, i, type) {
        const char *word = json_is_string(type) ? json_string_value(type) : "";
        size_t k = 0;
        while (k < KN_COUNT(events) && strcmp(events[k], word) != 0)
            k++;
        if (k == KN_COUNT(events))
            return kn_fail_as(err, KN_EINVAL, "InvalidParameter",
                              "'EventTypes' names '%.60s', which is not announced here", word);
    }
    return KN_OK;
}

static kn_code condition_check(const json_t *condition, struct kn_error *err)
{
    static const char *const fields[] = {"Name", "Prefix", "Suffix"};
    bool has_any = false;
    for (size_t i = 0; i < KN_COUNT(fields); i++) {
        const json_t *value = json_object_get(condition, fields[i]);
        if (value && !json_is_null(value) && !json_is_string(value))
            return invalid(err, "MatchRules", "has a condition that is no text");
        has_any |= json_string_length(value) > 0;
    }
    bool state = true;
    if (kn_json_bool(condition, "MatchState", "MatchRules.MatchState", &state, NULL) != KN_OK)
        return invalid(err, "MatchRules.MatchState", "is neither true nor false");
    bool has_name = kn_json_get(condition, "Name", "")[0];
    if (has_name && (kn_json_get(condition, "Prefix", "")[0] || kn_json_get(condition, "Suffix", "")[0]))
        return invalid(err, "MatchRules", "has Name beside Prefix or Suffix");
    return has_any ? KN_OK : invalid(err, "MatchRules", "has a condition without Name, Prefix and Suffix");
}

static kn_code match_rules_check(const json_t *lists, struct kn_error *err)
{
    if (json_array_size(lists) == 0 || json_array_size(lists) > MAX_LISTS)
        return invalid(err, "MatchRules", "has none or more than 5 lists of conditions");
    size_t i, k;
    json_t *list, *condition;
    json_array_foreach(lists, i, list) {
        if (json_array_size(list) == 0 || json_array_size(list) > MAX_CONDITIONS)
            return invalid(err, "MatchRules", "has a list of none or more than 5 conditions");
        json_array_foreach(list, k, condition) {
            kn_code rc = condition_check(condition, err);
            if (rc != KN_OK)
                return rc;
        }
    }
    return KN_OK;
}

static kn_code rule_check(const struct kn_event_rule *rule, struct kn_error *err)
{
    if (!name_is_valid(rule->name))
        return invalid(err, "RuleName", "must be up to 85 letters, digits, - and _");
    if (!kn_equal(rule->endpoint_type, "queue") && !kn_equal(rule->endpoint_type, "topic"))
        return invalid(err, "Endpoint.EndpointType", "is neither queue nor topic");
    if (!rule->endpoint[0] || strlen(rule->endpoint) > 256 || strpbrk(rule->endpoint, "/ "))
        return invalid(err, "Endpoint.EndpointValue", "is no name of a queue or topic");
    kn_code rc = event_types_check(rule->event_types, err);
    return rc == KN_OK ? match_rules_check(rule->match_rules, err) : rc;
}

/* ---- rows ---- */

static kn_code rule_read(struct kn_event_rule *out, struct kn_stmt *row, struct kn_arena *arena,
                         struct kn_error *err)
{
    *out = (struct kn_event_rule){
        .name = kn_arena_strdup(arena, kn_stmt_text(row, 0)),
        .event_types = json_loads(kn_stmt_text(row, 1), 0, NULL),
        .match_rules = json_loads(kn_stmt_text(row, 2), 0, NULL),
        .endpoint_type = kn_arena_strdup(arena, kn_stmt_text(row, 3)),
        .endpoint = kn_arena_strdup(arena, kn_stmt_text(row, 4)),
        .created_us = kn_stmt_int(row, 5),
    };
    if (out->name && out->event_types && out->match_rules && out->endpoint_type && out->endpoint)
        return KN_OK;
    kn_event_rule_clear(out);
    return kn_fail(err, KN_ENOMEM, "no memory for a rule of events");
}

kn_code kn_event_rule_list_tx(struct kn_tx *tx, const char *name, struct kn_arena *arena,
                              struct kn_event_rule **out, size_t *out_n, struct kn_error *err)
{
    *out = NULL;
    *out_n = 0;
    struct kn_stmt *row;
    kn_code rc = name ? kn_tx_query(tx, &row, err, "SELECT " COLUMNS " FROM event_rule WHERE name = ?",
                                    "s", name)
                      : kn_tx_query(tx, &row, err, "SELECT " COLUMNS " FROM event_rule ORDER BY name", "");
    bool has_row = false;
    while (rc == KN_OK && (rc = kn_stmt_step(row, &has_row, err)) == KN_OK && has_row) {
        if (!*out)
            *out = calloc(KN_MAX_EVENT_RULES, sizeof(**out));
        if (!*out)
            return kn_fail(err, KN_ENOMEM, "no memory for rules of events");
        if (*out_n == KN_MAX_EVENT_RULES)
            break;
        rc = rule_read(&(*out)[*out_n], row, arena, err);
        if (rc == KN_OK)
            (*out_n)++;
    }
    if (rc != KN_OK)
        kn_event_rules_free(out, *out_n);
    return rc;
}

struct list_call {
    const char *name;
    struct kn_arena *arena;
    struct kn_event_rule **out;
    size_t *out_n;
};

static kn_code list_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct list_call *call = context;
    kn_event_rules_free(call->out, *call->out_n); // the transaction may run again
    return kn_event_rule_list_tx(tx, call->name, call->arena, call->out, call->out_n, err);
}

kn_code kn_event_rule_list(struct kn_db *db, const char *name, struct kn_arena *arena,
                           struct kn_event_rule **out, size_t *out_n, struct kn_error *err)
{
    *out = NULL;
    *out_n = 0;
    struct list_call call = {name, arena, out, out_n};
    return kn_db_read(db, list_tx, &call, err);
}

static bool is_same(const struct kn_event_rule *a, const struct kn_event_rule *b)
{
    return json_equal(a->event_types, b->event_types) && json_equal(a->match_rules, b->match_rules) &&
           kn_equal(a->endpoint_type, b->endpoint_type) && kn_equal(a->endpoint, b->endpoint);
}

static kn_code rule_insert(struct kn_tx *tx, const struct kn_event_rule *rule, struct kn_error *err)
{
    kn_auto(kn_free) char *types = kn_json_text(rule->event_types);
    kn_auto(kn_free) char *matches = kn_json_text(rule->match_rules);
    if (!types || !matches)
        return kn_fail(err, KN_ENOMEM, "no memory for rule '%s'", rule->name);
    return kn_tx_run(tx, NULL, err,
                     "INSERT INTO event_rule (" COLUMNS ") VALUES (?, ?, ?, ?, ?, ?)", "sssssi",
                     rule->name, types, matches, rule->endpoint_type, rule->endpoint, kn_now_us());
}

static kn_code create_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct kn_event_rule *rule = context;
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    struct kn_event_rule *there = NULL;
    size_t n = 0, at = 0;
    kn_code rc = kn_event_rule_list_tx(tx, NULL, &arena, &there, &n, err);
    while (rc == KN_OK && at < n && strcmp(there[at].name, rule->name) != 0)
        at++;
    if (rc == KN_OK && at == n && n == KN_MAX_EVENT_RULES)
        rc = kn_fail_as(err, KN_ELIMIT, "EventRuleLimit", "there are %d rules already", (int)n);
    else if (rc == KN_OK && at == n)
        rc = rule_insert(tx, rule, err);
    else if (rc == KN_OK && !is_same(&there[at], rule))
        rc = kn_fail_as(err, KN_ECONFLICT, "EventRuleExists", "another rule is named '%s'", rule->name);
    kn_event_rules_free(&there, n);
    return rc;
}

kn_code kn_event_rule_create(struct kn_db *db, const struct kn_event_rule *rule, struct kn_error *err)
{
    kn_code rc = rule_check(rule, err);
    return rc == KN_OK ? kn_db_write(db, create_tx, (void *)(uintptr_t)rule, err) : rc;
}

static kn_code delete_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const char *name = context;
    int64_t n = 0;
    kn_code rc = kn_tx_run(tx, &n, err, "DELETE FROM event_rule WHERE name = ?", "s", name);
    if (rc == KN_OK && n == 0)
        return kn_fail_as(err, KN_ENOTFOUND, "EventRuleNotExist", "there is no rule '%s'", name);
    return rc;
}

kn_code kn_event_rule_delete(struct kn_db *db, const char *name, struct kn_error *err)
{
    return kn_db_write(db, delete_tx, (void *)(uintptr_t)name, err);
}

/* ---- matching ---- */

// "acs:oss:REGION:ACCOUNT:" before the bucket is the vendor's; a bucket's name has no colon.
static const char *resource_of(const char *text)
{
    if (!kn_starts_with(text, "acs:oss:"))
        return text;
    const char *account = strchr(text + strlen("acs:oss:"), ':');
    const char *bucket = account ? strchr(account + 1, ':') : NULL;
    return bucket ? bucket + 1 : "";
}

// Whether "BUCKET/KEY" begins with `prefix`.
static bool has_prefix(const char *bucket, const char *key, const char *prefix)
{
    size_t n = strcspn(prefix, "/");
    if (!prefix[n])
        return strncmp(bucket, prefix, n) == 0;
    return strlen(bucket) == n && memcmp(bucket, prefix, n) == 0 && kn_starts_with(key, prefix + n + 1);
}

static bool has_name(const char *bucket, const char *key, const char *name)
{
    size_t n = strcspn(name, "/");
    if (strlen(bucket) != n || memcmp(bucket, name, n) != 0)
        return false;
    return !name[n] || !name[n + 1] || strcmp(key, name + n + 1) == 0; // a bucket, or one object
}

static bool condition_holds(const json_t *condition, const char *bucket, const char *key)
{
    const char *name = resource_of(kn_json_get(condition, "Name", ""));
    const char *prefix = resource_of(kn_json_get(condition, "Prefix", ""));
    const char *suffix = kn_json_get(condition, "Suffix", "");
    bool state = true;
    (void)kn_json_bool(condition, "MatchState", "", &state, NULL); // checked when the rule was made
    bool holds = (!name[0] || has_name(bucket, key, name)) && has_prefix(bucket, key, prefix) &&
                 kn_ends_with(key, suffix);
    return holds == state;
}

static bool is_event_named(const json_t *types, const char *event)
{
    size_t i;
    json_t *type;
    json_array_foreach(types, i, type) {
        const char *word = json_string_value(type);
        size_t n = word ? strlen(word) : 0;
        if (n > 0 && (strcmp(word, event) == 0 || (word[n - 1] == '*' && strncmp(word, event, n - 1) == 0)))
            return true;
    }
    return false;
}

bool kn_event_rule_matches(const struct kn_event_rule *rule, const char *event, const char *bucket,
                           const char *key)
{
    if (!is_event_named(rule->event_types, event))
        return false;
    size_t i, k;
    json_t *list, *condition;
    json_array_foreach(rule->match_rules, i, list) {
        bool holds = true;
        json_array_foreach(list, k, condition)
            holds = holds && condition_holds(condition, bucket, key);
        if (holds)
            return true;
    }
    return false;
}

bool kn_event_rule_names_bucket(const struct kn_event_rule *rule, const char *bucket)
{
    size_t i, k;
    json_t *list, *condition;
    json_array_foreach(rule->match_rules, i, list) {
        json_array_foreach(list, k, condition) {
            const char *name = kn_json_get(condition, "Name", "");
            const char *said = resource_of(name[0] ? name : kn_json_get(condition, "Prefix", ""));
            size_t n = strcspn(said, "/");
            if (n == strlen(bucket) && memcmp(said, bucket, n) == 0)
                return true;
        }
    }
    return false;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The room itself, and queues as rows. */
#include "queues/queues.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/encode.h"
#include "base/id.h"
#include "base/metrics.h"
#include "base/strings.h"
#include "db/settings.h"
#include "queues/room.h"

#define KEY_SETTING "queues.receipt_key"

/* ---- the room ---- */

// The first server to ask makes the key; all that share the database have the same one.
static kn_code key_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    uint8_t *key = context;
    kn_auto(kn_free) char *hex = NULL;
    kn_code rc = kn_settings_get_tx(tx, KEY_SETTING, &hex, err);
    if (rc != KN_OK || (hex && kn_unhex(key, 32, hex)))
        return rc;
    char made[65];
    kn_random(key, 32);
    kn_hex(made, key, 32);
    return kn_settings_set_tx(tx, KEY_SETTING, made, err);
}

static int64_t read_waiting(void *context)
{
    return kn_waiting_length(context);
}

kn_code kn_queues_open(struct kn_queues **out, const struct kn_queues_config *config,
                       struct kn_error *err)
{
    *out = NULL;
    struct kn_queues *queues = calloc(1, sizeof(*queues));
    if (!queues)
        return kn_fail(err, KN_ENOMEM, "no memory for the queues");
    queues->db = config->db;
    queues->now = config->now;
    queues->now_context = config->now_context;
    (void)kn_copy(queues->account_id, sizeof(queues->account_id), config->account_id);
    pthread_mutex_init(&queues->usage_lock, NULL);
    kn_code rc = kn_db_write(queues->db, key_in_tx, queues->receipt_key, err);
    if (rc == KN_OK)
        rc = kn_waiting_new(&queues->waiting, queues, err);
    if (rc != KN_OK) {
        kn_queues_close(&queues);
        return rc;
    }
    kn_metric_gauge_fn("kinora_queues_waiting", "", "Receivers that wait for a message", read_waiting,
                       queues);
    *out = queues;
    return KN_OK;
}

void kn_queues_close(struct kn_queues **queues)
{
    if (!*queues)
        return;
    kn_metrics_forget(*queues);
    kn_waiting_free(&(*queues)->waiting);
    pthread_mutex_destroy(&(*queues)->usage_lock);
    free((*queues)->usage);
    free(*queues);
    *queues = NULL;
}

kn_code kn_queues_now(struct kn_tx *tx, const struct kn_queues *queues, int64_t *out_us,
                      struct kn_error *err)
{
    if (!queues->now)
        return kn_tx_now(tx, out_us, err);
    *out_us = queues->now(queues->now_context);
    return KN_OK;
}

/* ---- rows ---- */

#define QUEUE_COLUMNS                                                                              \
    "id, name, delay_us, max_message_bytes, retention_us, visibility_us, polling_wait_us,"         \
    " is_logging, created_us, modified_us"

static void queue_fill(struct kn_queue *queue, struct kn_stmt *row)
{
    *queue = (struct kn_queue){
        .delay_us = kn_stmt_int(row, 2),
        .max_message_bytes = kn_stmt_int(row, 3),
        .retention_us = kn_stmt_int(row, 4),
        .visibility_us = kn_stmt_int(row, 5),
        .polling_wait_us = kn_stmt_int(row, 6),
        .is_logging = (int)kn_stmt_int(row, 7),
        .created_us = kn_stmt_int(row, 8),
        .modified_us = kn_stmt_int(row, 9),
    };
    (void)kn_copy(queue->name, sizeof(queue->name), kn_stmt_text(row, 1));
}

kn_code kn_queue_find_tx(struct kn_tx *tx, const char *name, struct kn_queue *out, int64_t *out_id,
                         struct kn_error *err)
{
    struct kn_stmt *row;
    bool has_row = false;
    kn_code rc = kn_tx_query(tx, &row, err, "SELECT " QUEUE_COLUMNS " FROM queue WHERE name = ?",
                             "s", name);
    if (rc == KN_OK)
        rc = kn_stmt_step(row, &has_row, err);
    if (rc != KN_OK)
        return rc;
    if (!has_row)
        return kn_fail_as(err, KN_ENOTFOUND, "QueueNotExist",
                          "The queue name you provided is not exist.");
    *out_id = kn_stmt_int(row, 0);
    queue_fill(out, row);
    return KN_OK;
}

static kn_code count_one(struct kn_tx *tx, int64_t *out, struct kn_error *err, const char *sql,
                         int64_t queue_id, int64_t now)
{
    struct kn_stmt *row;
    bool has_row = false;
    kn_code rc = kn_tx_query(tx, &row, err, sql, "iii", queue_id, now, now);
    if (rc == KN_OK)
        rc = kn_stmt_step(row, &has_row, err);
    if (rc == KN_OK)
        *out = kn_stmt_int(row, 0);
    return rc;
}

// Hidden ones whose time has come are active, though nobody has made them ready yet.
static kn_code queue_count(struct kn_tx *tx, struct kn_queue *queue, int64_t id, int64_t now,
                           struct kn_error *err)
{
    int64_t n_due = 0;
    kn_code rc = count_one(tx, &queue->n_active, err,
                           "SELECT COUNT(*) FROM queue_message WHERE queue_id = ? AND is_ready = 1"
                           " AND expires_us > ? AND enqueued_us <= ?",
                           id, now);
    if (rc == KN_OK)
        rc = count_one(tx, &n_due, err,
                       "SELECT COUNT(*) FROM queue_message WHERE queue_id = ? AND is_ready = 0"
                       " AND visible_us <= ? AND expires_us > ?",
                       id, now);
    queue->n_active += n_due;
    if (rc == KN_OK)
        rc = count_one(tx, &queue->n_inactive, err,
                       "SELECT COUNT(*) FROM queue_message WHERE queue_id = ? AND is_ready = 0"
                       " AND visible_us > ? AND expires_us > ? AND n_dequeued > 0",
                       id, now);
    if (rc == KN_OK)
        rc = count_one(tx, &queue->n_delayed, err,
                       "SELECT COUNT(*) FROM queue_message WHERE queue_id = ? AND is_ready = 0"
                       " AND visible_us > ? AND expires_us > ? AND n_dequeued = 0",
                       id, now);
    return rc;
}

/* ---- creating and changing ---- */

struct create_call {
    const struct kn_queues *queues;
    const struct kn_queue *queue;
    bool is_new;
};

static kn_code create_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct create_call *call = context;
    const struct kn_queue *queue = call->queue;
    int64_t now = 0, n_changed = 0;
    kn_code rc = kn_queues_now(tx, call->queues, &now, err);
    if (rc == KN_OK)
        rc = kn_tx_run(tx, &n_changed, err,
                       "INSERT INTO queue (name, delay_us, max_message_bytes, retention_us,"
                       " visibility_us, polling_wait_us, is_logging, created_us, modified_us)"
                       " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING",
                       "siiiiiiii", queue->name, queue->delay_us, queue->max_message_bytes,
                       queue->retention_us, queue->visibility_us, queue->polling_wait_us,
                       (int64_t)queue->is_logging, now, now);
    call->is_new = n_changed > 0;
    if (rc != KN_OK || call->is_new)
        return rc;
    struct kn_queue there;
    int64_t id;
    rc = kn_queue_find_tx(tx, queue->name, &there, &id, err);
    if (rc != KN_OK)
        return rc;
    bool is_same = there.delay_us == queue->delay_us &&
                   there.max_message_bytes == queue->max_message_bytes &&
                   there.retention_us == queue->retention_us &&
                   there.visibility_us == queue->visibility_us &&
                   there.polling_wait_us == queue->polling_wait_us &&
                   there.is_logging == queue->is_logging;
    return is_same ? KN_OK
                   : kn_fail_as(err, KN_ECONFLICT, "QueueAlreadyExist",
                                "The queue you want to create is already exist.");
}

kn_code kn_queue_create(struct kn_queues *queues, const struct kn_queue *queue, bool *out_is_new,
                        struct kn_error *err)
{
    struct create_call call = {.queues = queues, .queue = queue};
    kn_code rc = kn_db_write(queues->db, create_in_tx, &call, err);
    *out_is_new = call.is_new;
    return rc;
}

static kn_code set_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct create_call *call = context;
    const struct kn_queue *change = call->queue;
    struct kn_queue queue;
    int64_t id, now;
    kn_code rc = kn_queue_find_tx(tx, change->name, &queue, &id, err);
    if (rc == KN_OK)
        rc = kn_queues_now(tx, call->queues, &now, err);
    if (rc != KN_OK)
        return rc;
    const int64_t *const from[] = {&change->delay_us, &change->max_message_bytes,
                                   &change->retention_us, &change->visibility_us,
                                   &change->polling_wait_us};
    int64_t *const to[] = {&queue.delay_us, &queue.max_message_bytes, &queue.retention_us,
                           &queue.visibility_us, &queue.polling_wait_us};
    for (size_t i = 0; i < KN_COUNT(to); i++)
        if (*from[i] >= 0)
            *to[i] = *from[i];
    if (change->is_logging >= 0)
        queue.is_logging = change->is_logging;
    return kn_tx_run(tx, NULL, err,
                     "UPDATE queue SET delay_us = ?, max_message_bytes = ?, retention_us = ?,"
                     " visibility_us = ?, polling_wait_us = ?, is_logging = ?, modified_us = ?"
                     " WHERE id = ?",
                     "iiiiiiii", queue.delay_us, queue.max_message_bytes, queue.retention_us,
                     queue.visibility_us, queue.polling_wait_us, (int64_t)queue.is_logging, now, id);
}

kn_code kn_queue_set(struct kn_queues *queues, const struct kn_queue *change, struct kn_error *err)
{
    struct create_call call = {.queues = queues, .queue = change};
    return kn_db_write(queues->db, set_in_tx, &call, err);
}

/* ---- looking ---- */

struct get_call {
    const struct kn_queues *queues;
    const char *name;
    struct kn_queue *out;
};

static kn_code get_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct get_call *call = context;
    int64_t id = 0, now = 0;
    kn_code rc = kn_queue_find_tx(tx, call->name, call->out, &id, err);
    if (rc == KN_OK)
        rc = kn_queues_now(tx, call->queues, &now, err);
    return rc == KN_OK ? queue_count(tx, call->out, id, now, err) : rc;
}

kn_code kn_queue_get(struct kn_queues *queues, const char *name, struct kn_queue *out,
                     struct kn_error *err)
{
    struct get_call call = {queues, name, out};
    return kn_db_read(queues->db, get_in_tx, &call, err);
}

struct list_call {
    const struct kn_queues *queues;
    struct kn_name_page *page;
    bool with_counts;
    struct kn_queue *list; // malloc'd, page->limit + 1
    int64_t *ids;          // beside it
    size_t n;
};

static kn_code list_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct list_call *call = context;
    struct kn_name_page *page = call->page;
    struct kn_stmt *row;
    bool has_row = true;
    int64_t now = 0;
    call->n = 0;
    page->has_more = false;
    kn_code rc = kn_queues_now(tx, call->queues, &now, err);
    if (rc == KN_OK)
        rc = kn_tx_query(tx, &row, err,
                         "SELECT " QUEUE_COLUMNS " FROM queue WHERE name > ?"
                         " AND substr(name, 1, ?) = ? ORDER BY name LIMIT ?",
                         "sisi", page->marker, (int64_t)strlen(page->prefix), page->prefix,
                         (int64_t)page->limit + 1);
    while (rc == KN_OK && (rc = kn_stmt_step(row, &has_row, err)) == KN_OK && has_row) {
        if (call->n == (size_t)page->limit) {
            page->has_more = true;
            break;
        }
        call->ids[call->n] = kn_stmt_int(row, 0);
        queue_fill(&call->list[call->n++], row);
    }
    for (size_t i = 0; i < call->n && call->with_counts && rc == KN_OK; i++)
        rc = queue_count(tx, &call->list[i], call->ids[i], now, err);
    return rc;
}

kn_code kn_queue_list(struct kn_queues *queues, struct kn_name_page *page, bool with_counts,
                      struct kn_queue **out, size_t *out_n, struct kn_error *err)
{
    kn_auto(kn_free) struct kn_queue *list = calloc((size_t)page->limit + 1, sizeof(*list));
    kn_auto(kn_free) int64_t *ids = calloc((size_t)page->limit + 1, sizeof(*ids));
    if (!list || !ids)
        return kn_fail(err, KN_ENOMEM, "no memory for a list of queues");
    struct list_call call = {queues, page, with_counts, list, ids, 0};
    kn_code rc = kn_db_read(queues->db, list_in_tx, &call, err);
    if (rc != KN_OK)
        return rc;
    *out_n = call.n;
    *out = KN_TAKE(list);
    return KN_OK;
}

/* ---- removing ---- */

static kn_code delete_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    const struct get_call *call = context;
    kn_code rc = kn_tx_run(tx, NULL, err,
                           "INSERT INTO queue_removed (queue_id) SELECT id FROM queue"
                           " WHERE name = ?",
                           "s", call->name);
    return rc == KN_OK ? kn_tx_run(tx, NULL, err, "DELETE FROM queue WHERE name = ?", "s",
                                   call->name)
                       : rc;
}

kn_code kn_queue_delete(struct kn_queues *queues, const char *name, struct kn_error *err)
{
    struct get_call call = {.queues = queues, .name = name};
    return kn_db_write(queues->db, delete_in_tx, &call, err);
}

struct prune_call {
    const struct kn_queues *queues;
    int64_t max, n;
};

// Messages of one removed queue; when none is left, its note goes. *out_is_done: there was no such queue.
static kn_code prune_removed(struct kn_tx *tx, struct prune_call *call, bool *out_is_done,
                             struct kn_error *err)
{
    struct kn_stmt *row;
    bool has_row = false;
    int64_t n = 0;
    kn_code rc = kn_tx_query(tx, &row, err, "SELECT queue_id FROM queue_removed LIMIT 1", "");
    if (rc == KN_OK)
        rc = kn_stmt_step(row, &has_row, err);
    *out_is_done = !has_row;
    if (rc != KN_OK || !has_row)
        return rc;
    int64_t id = kn_stmt_int(row, 0);
    static const char *const deletes[] = {
        ("DELETE FROM queue_message WHERE seq IN (SELECT seq FROM queue_message WHERE queue_id = ?"
         " AND is_ready = 1 LIMIT ?)"),
        ("DELETE FROM queue_message WHERE seq IN (SELECT seq FROM queue_message WHERE queue_id = ?"
         " AND is_ready = 0 LIMIT ?)"),
    };
    for (size_t i = 0; i < KN_COUNT(deletes) && rc == KN_OK && call->n < call->max; i++) {
        rc = kn_tx_run(tx, &n, err, deletes[i], "ii", id, call->max - call->n);
        call->n += n;
    }
    if (rc == KN_OK && call->n < call->max)
        rc = kn_tx_run(tx, NULL, err, "DELETE FROM queue_removed WHERE queue_id = ?", "i", id);
    return rc;
}

static kn_code prune_in_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct prune_call *call = context;
    int64_t now = 0, n = 0;
    call->n = 0;
    kn_code rc = kn_queues_now(tx, call->queues, &now, err);
    if (rc == KN_OK)
        rc = kn_tx_run(tx, &n, err,
                       "DELETE FROM queue_message WHERE seq IN (SELECT seq FROM queue_message"
                       " WHERE expires_us <= ? ORDER BY expires_us LIMIT ?)",
                       "ii", now, call->max);
    call->n = n;
    for (bool is_done = false; rc == KN_OK && call->n < call->max && !is_done;)
        rc = prune_removed(tx, call, &is_done, err);
    // What only subscriptions that were removed were to be told of.
    if (rc == KN_OK && call->n < call->max)
        rc = kn_tx_run(tx, &n, err,
                       "DELETE FROM topic_message WHERE seq IN (SELECT m.seq FROM topic_message m"
                       " WHERE NOT EXISTS (SELECT 1 FROM topic_push p WHERE p.message_seq = m.seq)"
                       " ORDER BY m.seq LIMIT ?)",
                       "i", call->max - call->n);
    call->n += n;
    return rc;
}

kn_code kn_queues_prune(struct kn_queues *queues, int max, int64_t *out_n, struct kn_error *err)
{
    struct prune_call call = {.queues = queues, .max = max};
    kn_code rc = kn_db_write(queues->db, prune_in_tx, &call, err);
    *out_n = rc == KN_OK ? call.n : 0;
    return rc;
}

/* ---- usage ---- */

void kn_queues_usage_add(struct kn_queues *queues, const char *kind, const char *name)
{
    char full[sizeof(queues->usage->name)];
    (void)snprintf(full, sizeof(full), "%s=%s", kind, name);
    pthread_mutex_lock(&queues->usage_lock);
    size_t i = 0;
    while (i < queues->n_usage && strcmp(queues->usage[i].name, full) != 0)
        i++;
    if (i == queues->n_usage) {
        struct kn_queues_usage *more = reallocarray(queues->usage, i + 1, sizeof(*more));
        if (more) {
            queues->usage = more;
            queues->usage[i] = (struct kn_queues_usage){0};
            (void)kn_copy(queues->usage[i].name, sizeof(queues->usage[i].name), full);
            queues->n_usage++;
        }
    }
    if (i < queues->n_usage) // without memory a count is lost, no request is
        queues->usage[i].n_requests++;
    pthread_mutex_unlock(&queues->usage_lock);
}

struct kn_queues_usage *kn_queues_usage_take(struct kn_queues *queues, size_t *out_n)
{
    pthread_mutex_lock(&queues->usage_lock);
    struct kn_queues_usage *usage = KN_TAKE(queues->usage);
    *out_n = queues->n_usage;
    queues->n_usage = 0;
    pthread_mutex_unlock(&queues->usage_lock);
    return usage;
}

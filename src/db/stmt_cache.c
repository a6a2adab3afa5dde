/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The prepared statements of one connection. Nothing is evicted while its transaction runs, so that
 * every statement a function holds stays valid; the limit is applied when the transaction ends.
 */
#include <stdlib.h>
#include <string.h>

#include "db/backend.h"

// The rooms together hold about a hundred statements; lists with optional filters make some more.
#define MAX_CACHED 192

static uint64_t sql_hash(const char *sql)
{
    uint64_t hash = 14695981039346656037u; // FNV-1a
    for (; *sql; sql++)
        hash = (hash ^ (unsigned char)*sql) * 1099511628211u;
    return hash;
}

static void stmt_touch(struct kn_stmt_cache *cache, struct kn_stmt *stmt)
{
    stmt->last_used = ++cache->clock;
    if (stmt->is_touched)
        return;
    stmt->is_touched = true;
    stmt->next_touched = cache->touched;
    cache->touched = stmt;
}

struct kn_stmt *kn_stmt_cache_find(struct kn_stmt_cache *cache, const char *sql)
{
    uint64_t hash = sql_hash(sql);
    struct kn_stmt *stmt = cache->buckets[hash % KN_STMT_BUCKETS];
    while (stmt && (stmt->hash != hash || strcmp(stmt->sql, sql) != 0))
        stmt = stmt->next_in_bucket;
    if (!stmt)
        return NULL;
    stmt->ops->reset(stmt);
    stmt_touch(cache, stmt);
    return stmt;
}

bool kn_stmt_cache_add(struct kn_stmt_cache *cache, struct kn_stmt *stmt, const char *sql)
{
    stmt->sql = strdup(sql);
    if (!stmt->sql)
        return false;
    stmt->hash = sql_hash(sql);
    struct kn_stmt **bucket = &cache->buckets[stmt->hash % KN_STMT_BUCKETS];
    stmt->next_in_bucket = *bucket;
    *bucket = stmt;
    cache->n_stmts++;
    stmt_touch(cache, stmt);
    return true;
}

static void stmt_destroy(struct kn_stmt *stmt)
{
    free(stmt->sql);
    stmt->sql = NULL;
    stmt->ops->destroy(stmt);
}

static void cache_evict_oldest(struct kn_stmt_cache *cache)
{
    struct kn_stmt **oldest = NULL;
    for (int i = 0; i < KN_STMT_BUCKETS; i++)
        for (struct kn_stmt **at = &cache->buckets[i]; *at; at = &(*at)->next_in_bucket)
            if (!oldest || (*at)->last_used < (*oldest)->last_used)
                oldest = at;
    if (!oldest)
        return;
    struct kn_stmt *stmt = *oldest;
    *oldest = stmt->next_in_bucket;
    cache->n_stmts--;
    stmt_destroy(stmt);
}

void kn_stmt_cache_end(struct kn_stmt_cache *cache)
{
    while (cache->touched) {
        struct kn_stmt *stmt = cache->touched;
        cache->touched = stmt->next_touched;
        stmt->is_touched = false;
        stmt->next_touched = NULL;
        stmt->ops->reset(stmt);
        stmt->tx = NULL;
    }
    while (cache->n_stmts > MAX_CACHED)
        cache_evict_oldest(cache);
}

void kn_stmt_cache_clear(struct kn_stmt_cache *cache)
{
    for (int i = 0; i < KN_STMT_BUCKETS; i++) {
        while (cache->buckets[i]) {
            struct kn_stmt *stmt = cache->buckets[i];
            cache->buckets[i] = stmt->next_in_bucket;
            stmt_destroy(stmt);
        }
    }
    *cache = (struct kn_stmt_cache){0};
}

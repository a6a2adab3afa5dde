/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who wants to be woken for which topic. Wakers run under the lock: that is what lets
 * kn_db_unwatch() promise that none runs after it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/strings.h"
#include "db/backend.h"

struct kn_watcher {
    char topic[KN_TOPIC_SIZE];
    kn_db_wake wake;
    void *context; // borrowed
    struct kn_watcher *next;
};

void kn_topics_add(struct kn_topics *topics, const char *name)
{
    for (int i = 0; i < topics->n_names; i++)
        if (strcmp(topics->names[i], name) == 0)
            return;
    if (topics->n_names == KN_MAX_TOPICS)
        topics->is_all = true;
    else
        (void)kn_copy(topics->names[topics->n_names++], KN_TOPIC_SIZE, name);
}

void kn_topics_merge(struct kn_topics *topics, const struct kn_topics *more)
{
    for (int i = 0; i < more->n_names; i++)
        kn_topics_add(topics, more->names[i]);
    topics->is_all |= more->is_all;
}

void kn_watchers_init(struct kn_watchers *watchers)
{
    pthread_mutex_init(&watchers->lock, NULL);
    watchers->first = NULL;
}

void kn_watchers_clear(struct kn_watchers *watchers)
{
    while (watchers->first) {
        struct kn_watcher *gone = watchers->first;
        watchers->first = gone->next;
        free(gone);
    }
    pthread_mutex_destroy(&watchers->lock);
}

static bool topics_have(const struct kn_topics *topics, const char *name)
{
    if (topics->is_all)
        return true;
    for (int i = 0; i < topics->n_names; i++)
        if (strcmp(topics->names[i], name) == 0)
            return true;
    return false;
}

void kn_watchers_wake(struct kn_watchers *watchers, const struct kn_topics *topics)
{
    if (topics->n_names == 0 && !topics->is_all)
        return;
    pthread_mutex_lock(&watchers->lock);
    for (struct kn_watcher *w = watchers->first; w; w = w->next)
        if (topics_have(topics, w->topic))
            w->wake(w->context);
    pthread_mutex_unlock(&watchers->lock);
}

void kn_watchers_wake_all(struct kn_watchers *watchers)
{
    const struct kn_topics all = {.is_all = true};
    kn_watchers_wake(watchers, &all);
}

kn_code kn_db_watch(struct kn_db *db, const char *topic, kn_db_wake wake, void *context,
                    struct kn_error *err)
{
    struct kn_watcher *watcher = calloc(1, sizeof(*watcher));
    if (!watcher)
        return kn_fail(err, KN_ENOMEM, "no memory to watch '%s'", topic);
    watcher->wake = wake;
    watcher->context = context;
    if (!kn_copy(watcher->topic, sizeof(watcher->topic), topic)) {
        free(watcher);
        return kn_fail(err, KN_EBUG, "the topic '%s' is too long", topic);
    }
    pthread_mutex_lock(&db->watchers.lock);
    watcher->next = db->watchers.first;
    db->watchers.first = watcher;
    pthread_mutex_unlock(&db->watchers.lock);
    return KN_OK;
}

void kn_db_unwatch(struct kn_db *db, const char *topic, void *context)
{
    pthread_mutex_lock(&db->watchers.lock);
    struct kn_watcher **at = &db->watchers.first;
    while (*at && !((*at)->context == context && strcmp((*at)->topic, topic) == 0))
        at = &(*at)->next;
    struct kn_watcher *gone = *at;
    if (gone)
        *at = gone->next;
    pthread_mutex_unlock(&db->watchers.lock);
    free(gone);
}

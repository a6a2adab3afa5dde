/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One thread that listens and sends, on one connection; an eventfd rouses it. */
#include "db/postgres_notify.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/time.h"

// Wake-ups of so long are sent as one.
#define GATHER_US (3 * 1000)
#define CHANNEL "kinora"
// What stands for "everybody".
#define ALL_TOPICS "*"

struct kn_pg_notify {
    const char *url;              // borrowed
    struct kn_watchers *watchers; // borrowed
    int rouse_fd;                 // owned
    pthread_t thread;
    bool has_thread;
    PGconn *handle; // the thread's, owned

    pthread_mutex_t lock;
    // --- protected by lock
    struct kn_topics pending;
    bool is_closing;
};

// "relation already exists, skipping" is of no use to an operator.
static void notice_drop(void *context, const char *message)
{
    (void)context;
    (void)message;
}

PGconn *kn_pg_connect(const char *url)
{
    // Without these a machine that vanished keeps a connection, and who waits on it, for hours.
    const char *const keys[] = {
        "dbname",           "connect_timeout",  "keepalives_idle",  "keepalives_interval",
        "keepalives_count", "tcp_user_timeout", "application_name", NULL};
    const char *const values[] = {url, "5", "10", "5", "3", "15000", "kinora", NULL};
    PGconn *handle = PQconnectdbParams(keys, values, 1);
    if (handle)
        PQsetNoticeProcessor(handle, notice_drop, NULL);
    return handle;
}

static bool listen_start(struct kn_pg_notify *notify)
{
    notify->handle = kn_pg_connect(notify->url);
    if (notify->handle && PQstatus(notify->handle) == CONNECTION_OK) {
        PGresult *result = PQexec(notify->handle, "LISTEN " CHANNEL);
        bool is_good = PQresultStatus(result) == PGRES_COMMAND_OK;
        PQclear(result);
        if (is_good)
            return true;
    }
    PQfinish(notify->handle);
    notify->handle = NULL;
    return false;
}

static void heard_wake(struct kn_pg_notify *notify)
{
    struct kn_topics heard = {0};
    PGnotify *one = NULL;
    while ((one = PQnotifies(notify->handle))) {
        if (one->be_pid != PQbackendPID(notify->handle)) { // ours were woken at the commit
            if (strcmp(one->extra, ALL_TOPICS) == 0)
                heard.is_all = true;
            else
                kn_topics_add(&heard, one->extra);
        }
        PQfreemem(one);
    }
    kn_watchers_wake(notify->watchers, &heard);
}

static bool topic_send(struct kn_pg_notify *notify, const char *topic)
{
    const char *const values[] = {topic};
    PGresult *result = PQexecParams(notify->handle, "SELECT pg_notify('" CHANNEL "', $1)", 1, NULL,
                                    values, NULL, NULL, 0);
    bool is_good = PQresultStatus(result) == PGRES_TUPLES_OK;
    PQclear(result);
    return is_good;
}

static bool pending_send(struct kn_pg_notify *notify)
{
    kn_sleep_us(GATHER_US);
    pthread_mutex_lock(&notify->lock);
    struct kn_topics topics = notify->pending;
    notify->pending = (struct kn_topics){0};
    pthread_mutex_unlock(&notify->lock);
    bool is_good = !topics.is_all || topic_send(notify, ALL_TOPICS);
    for (int i = 0; is_good && i < topics.n_names; i++)
        is_good = topic_send(notify, topics.names[i]);
    if (is_good)
        return true;
    pthread_mutex_lock(&notify->lock);
    kn_topics_merge(&notify->pending, &topics); // for the next connection
    pthread_mutex_unlock(&notify->lock);
    return false;
}

static bool is_closing(struct kn_pg_notify *notify)
{
    pthread_mutex_lock(&notify->lock);
    bool is = notify->is_closing;
    pthread_mutex_unlock(&notify->lock);
    return is;
}

// Listen and send until the connection breaks or the database closes.
static void notify_serve(struct kn_pg_notify *notify)
{
    while (!is_closing(notify)) {
        struct pollfd fds[2] = {{.fd = PQsocket(notify->handle), .events = POLLIN},
                                {.fd = notify->rouse_fd, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return;
        if (fds[1].revents) {
            uint64_t count;
            (void)!read(notify->rouse_fd, &count, sizeof(count));
            if (!is_closing(notify) && !pending_send(notify))
                return;
        }
        if (!PQconsumeInput(notify->handle))
            return;
        heard_wake(notify);
    }
}

static void *notify_main(void *arg)
{
    struct kn_pg_notify *notify = arg;
    while (!is_closing(notify)) {
        if (notify->handle || listen_start(notify)) {
            kn_watchers_wake_all(notify->watchers); // for what was missed
            notify_serve(notify);
            PQfinish(notify->handle);
            notify->handle = NULL;
        }
        if (!is_closing(notify)) {
            kn_watchers_wake_all(notify->watchers);
            struct pollfd rouse = {.fd = notify->rouse_fd, .events = POLLIN};
            (void)poll(&rouse, 1, 1000);
            kn_sleep_us(100 * 1000); // however often we are roused
        }
    }
    return NULL;
}

kn_code kn_pg_notify_new(struct kn_pg_notify **out, const char *url, struct kn_watchers *watchers,
                         struct kn_error *err)
{
    struct kn_pg_notify *made = calloc(1, sizeof(*made));
    if (!made)
        return kn_fail(err, KN_ENOMEM, "no memory for wake-ups");
    made->url = url;
    made->watchers = watchers;
    made->rouse_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&made->lock, NULL);
    kn_auto(kn_pg_notify_free) struct kn_pg_notify *notify = made;
    if (notify->rouse_fd < 0)
        return kn_fail_errno(err, errno, "cannot make an eventfd");
    (void)listen_start(notify); // at once, so that nothing is missed; else the thread tries again
    int failed = pthread_create(&notify->thread, NULL, notify_main, notify);
    if (failed)
        return kn_fail_errno(err, failed, "cannot start the database's thread");
    notify->has_thread = true;
    (void)pthread_setname_np(notify->thread, "kn-db-notify"); // only for those who look with top
    *out = KN_TAKE(notify);
    return KN_OK;
}

static void notify_rouse(struct kn_pg_notify *notify)
{
    uint64_t one = 1;
    (void)!write(notify->rouse_fd, &one, sizeof(one)); // full only when it is roused already
}

void kn_pg_notify_send(struct kn_pg_notify *notify, const struct kn_topics *topics)
{
    if (!notify || (topics->n_names == 0 && !topics->is_all))
        return;
    pthread_mutex_lock(&notify->lock);
    kn_topics_merge(&notify->pending, topics);
    pthread_mutex_unlock(&notify->lock);
    notify_rouse(notify);
}

void kn_pg_notify_free(struct kn_pg_notify **address)
{
    struct kn_pg_notify *notify = *address;
    *address = NULL;
    if (!notify)
        return;
    if (notify->has_thread) {
        pthread_mutex_lock(&notify->lock);
        notify->is_closing = true;
        pthread_mutex_unlock(&notify->lock);
        notify_rouse(notify);
        pthread_join(notify->thread, NULL);
    }
    PQfinish(notify->handle);
    kn_close_fd(&notify->rouse_fd);
    pthread_mutex_destroy(&notify->lock);
    free(notify);
}

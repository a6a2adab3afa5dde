#pragma once
/*
 * Event loops: one thread each, with the connections that were given to it. Other threads reach a
 * loop through its mailbox: connections accepted elsewhere, and requests with news (reply bytes,
 * room for more of the body).
 *
 * A loop outlives its thread until the last request it lent out has been replied to, so that a
 * late reply is harmless.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>
#include <openssl/ssl.h>

#include "base/buf.h"
#include "base/error.h"
#include "http/server.h"

struct kn_http_conn;
struct kn_http_pool;

#define KN_HTTP_READ_BYTES (128 * 1024)

/* What all loops of one server share. Set before the loops start, then read-only but for atomics. */
struct kn_http_shared {
    int64_t idle_us, stall_us;
    size_t max_buffered_bytes;
    char keep_alive[64]; // header lines of a reply that keeps the connection
    SSL_CTX *tls;        // owned by the server; NULL without https listeners
    struct kn_http_pool *pool; // owned by the server
    atomic_size_t buffered_bytes;
    atomic_bool is_stopping;
};

/* A place requests come in, shared by all its connections. */
struct kn_http_place {
    kn_http_handler handler;
    kn_http_on_error on_error;
    void *context;
    bool is_tls;
};

struct kn_http_arrival {
    struct kn_http_arrival *next;
    const struct kn_http_place *place; // borrowed
    int fd;                            // owned
    char peer[46];
};

struct kn_http_loop {
    struct kn_http_shared *shared; // borrowed
    struct event_base *base;       // owned
    struct event *wake, *tick;     // owned
    int wake_fd;                   // owned
    pthread_t thread;
    bool has_thread;
    // --- the loop's thread only
    struct kn_http_conn *conns;    // owned: all of them
    struct kn_buf scratch;         // for building heads
    time_t date_at;
    char date[40];
    char read_buffer[KN_HTTP_READ_BYTES];
    // --- protected by lock
    pthread_mutex_t lock;
    pthread_cond_t emptied;        // n_conns fell
    struct kn_http_arrival *arrivals;
    struct kn_http_request *posted_first, *posted_last;
    int n_conns;                   // changed by the loop's thread, read by others
    int n_requests;                // allocated and not yet freed
    bool is_woken, must_drain, must_close, must_end;
    bool is_over;                  // the thread has ended
    bool is_released;              // the server has let go: the last request frees the loop
};

kn_code kn_http_loop_new(struct kn_http_loop **out, struct kn_http_shared *shared,
                         struct kn_error *err);
kn_code kn_http_loop_start(struct kn_http_loop *loop, struct kn_error *err);
/* Drop all connections and wait for the thread's end. */
void kn_http_loop_join(struct kn_http_loop *loop);
/* The same, then free the loop, now or with its last request. */
void kn_http_loop_end(struct kn_http_loop **loop);

/* ---- any thread ---- */

/* The loop whose thread is calling, NULL elsewhere. A loop thread must never wait. */
struct kn_http_loop *kn_http_loop_current(void);
void kn_http_loop_give(struct kn_http_loop *loop, struct kn_http_arrival *arrival);
/*
 * There is news of a request. `is_final`: the caller has replied, and touches the request no more
 * once this returns.
 */
void kn_http_loop_post(struct kn_http_loop *loop, struct kn_http_request *request, bool is_final);
/* Close idle connections now and the others after their reply; with `at_once` all of them. */
void kn_http_loop_drain(struct kn_http_loop *loop, bool at_once);
/* Wait until no connection is left or kn_mono_us() reaches deadline_us. */
bool kn_http_loop_wait_empty(struct kn_http_loop *loop, int64_t deadline_us);

/* ---- the loop's thread ---- */

/* "Date: …\r\n" of this second. */
const char *kn_http_loop_date(struct kn_http_loop *loop);
void kn_http_loop_count_conn(struct kn_http_loop *loop, int change);

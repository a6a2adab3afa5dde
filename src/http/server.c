/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The server as a whole: listeners, loops, start and stop. The first loop accepts for all and deals
 * the connections out in turn, so that they are spread evenly however few they are.
 */
#include "http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <http_parser.h>
#include <openssl/err.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/strings.h"
#include "base/time.h"
#include "http/loop.h"
#include "http/pool.h"
#include "http/request.h"

#define MAX_LOOPS 4
#define MAX_LISTENERS 32
#define BACKLOG 1024
// After accept() failed (no descriptors left) the listener rests this long.
#define REST_US (100 * 1000)
// Connections taken per turn of the loop.
#define ACCEPTS_PER_TURN 64

struct door {
    struct kn_http_server *server; // borrowed
    struct kn_http_place place;
    struct event *event, *rest;    // owned
    int fd;                        // owned
};

struct kn_http_server {
    struct kn_http_shared shared;
    struct kn_http_loop *loops[MAX_LOOPS]; // owned
    int n_loops;
    struct door doors[MAX_LISTENERS];
    int n_doors;
    atomic_uint next_loop;
    bool is_started, is_stopped;
};

/* ---- TLS ---- */

static int alpn_select(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                       const unsigned char *in, unsigned n, void *context)
{
    (void)ssl;
    (void)context;
    static const unsigned char http11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, out_n, http11, sizeof(http11), in, n) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static kn_code tls_load(SSL_CTX **out, const struct kn_http_config *config, struct kn_error *err)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (!tls)
        return kn_fail(err, KN_ENOMEM, "no memory for TLS");
    (void)SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    (void)SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_alpn_select_cb(tls, alpn_select, NULL);
    if (SSL_CTX_use_certificate_chain_file(tls, config->tls_cert_file) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, config->tls_key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(tls) != 1) {
        char reason[200];
        ERR_error_string_n(ERR_get_error(), reason, sizeof(reason));
        ERR_clear_error();
        SSL_CTX_free(tls);
        return kn_fail(err, KN_EINVAL, "cannot use certificate '%s' with key '%s': %s",
                       config->tls_cert_file, config->tls_key_file, reason);
    }
    *out = tls;
    return KN_OK;
}

/* ---- making ---- */

static int count_or(int n, int otherwise)
{
    return n > 0 ? n : otherwise;
}

static int64_t time_or(int64_t us, int64_t otherwise)
{
    return us > 0 ? us : otherwise;
}

kn_code kn_http_server_new(struct kn_http_server **out, const struct kn_http_config *config,
                           struct kn_error *err)
{
    *out = NULL;
    kn_auto(kn_http_server_free) struct kn_http_server *server = calloc(1, sizeof(*server));
    if (!server)
        return kn_fail(err, KN_ENOMEM, "no memory for an HTTP server");
    struct kn_http_shared *shared = &server->shared;
    shared->idle_us = time_or(config->idle_us, 60 * KN_SECOND);
    shared->stall_us = time_or(config->stall_us, 30 * KN_SECOND);
    shared->max_buffered_bytes =
        config->max_buffered_bytes ? config->max_buffered_bytes : (size_t)256 * 1024 * 1024;
    // Said a little early, so that clients which heed it never meet a connection just closed: the
    // official SDKs do not retry (spec 01, section 10).
    int64_t seconds = shared->idle_us / KN_SECOND;
    (void)snprintf(shared->keep_alive, sizeof(shared->keep_alive),
                   "Connection: keep-alive\r\nKeep-Alive: timeout=%d\r\n",
                   (int)(seconds > 5 ? seconds - 5 : seconds));
    if (config->tls_cert_file && config->tls_key_file) {
        kn_code rc = tls_load(&shared->tls, config, err);
        if (rc != KN_OK)
            return rc;
    }
    // The parser counts target and headers together; our own limits are finer and come first.
    http_parser_set_max_header_size(KN_MAX_TARGET_BYTES + 2 * KN_MAX_HEADER_BYTES);

    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int n_loops = count_or(config->n_loops, cores < 1 ? 1 : (int)cores);
    n_loops = n_loops > MAX_LOOPS ? MAX_LOOPS : n_loops;
    kn_code rc = kn_http_pool_new(&shared->pool, count_or(config->n_pool, 64), err);
    while (rc == KN_OK && server->n_loops < n_loops) {
        rc = kn_http_loop_new(&server->loops[server->n_loops], shared, err);
        server->n_loops += rc == KN_OK;
    }
    if (rc == KN_OK)
        *out = KN_TAKE(server);
    return rc;
}

/* ---- listening ---- */

struct address {
    bool is_tls;
    char host[256];
    char port[8];
    bool is_bracketed;
};

static kn_code address_parse(struct address *address, const char *text, struct kn_error *err)
{
    const char *at = text;
    *address = (struct address){0};
    if (kn_starts_with(at, "https://")) {
        address->is_tls = true;
        at += strlen("https://");
    } else if (kn_starts_with(at, "http://")) {
        at += strlen("http://");
    }
    const char *colon = strrchr(at, ':');
    int64_t port = 0;
    if (!colon || colon == at || !kn_parse_int(colon + 1, 0, 65535, &port))
        return kn_fail(err, KN_EINVAL, "'%s' is no address to listen on: expected HOST:PORT", text);
    size_t n = (size_t)(colon - at);
    if (at[0] == '[' && at[n - 1] == ']') {
        address->is_bracketed = true;
        at++;
        n -= 2;
    }
    if (n >= sizeof(address->host))
        return kn_fail(err, KN_EINVAL, "'%s' is no address to listen on: the host is too long",
                       text);
    memcpy(address->host, at, n);
    (void)snprintf(address->port, sizeof(address->port), "%d", (int)port);
    return KN_OK;
}

static int socket_listen(const struct addrinfo *where)
{
    int fd = socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); // accepted sockets inherit it
    if (where->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(fd, where->ai_addr, where->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        int saved = errno;
        (void)close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static int socket_port(int fd)
{
    struct sockaddr_storage at;
    socklen_t n = sizeof(at);
    if (getsockname(fd, (struct sockaddr *)&at, &n) != 0)
        return 0;
    return ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port
                                          : ((struct sockaddr_in *)&at)->sin_port);
}

kn_code kn_http_server_listen(struct kn_http_server *server, const struct kn_http_listener *listener,
                              char out_url[300], struct kn_error *err)
{
    struct address address;
    kn_code rc = address_parse(&address, listener->address, err);
    if (rc != KN_OK)
        return rc;
    if (address.is_tls && !server->shared.tls)
        return kn_fail(err, KN_EINVAL, "cannot listen on '%s' without a certificate and key",
                       listener->address);
    if (server->n_doors == MAX_LISTENERS)
        return kn_fail(err, KN_ELIMIT, "cannot listen on more than %d addresses", MAX_LISTENERS);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int gai = getaddrinfo(address.host, address.port, &hints, &found);
    if (gai != 0)
        return kn_fail(err, KN_EINVAL, "cannot listen on '%s': %s", listener->address,
                       gai_strerror(gai));
    int fd = socket_listen(found);
    int error_number = errno;
    freeaddrinfo(found);
    if (fd < 0)
        return kn_fail_errno(err, error_number, "cannot listen on '%s'", listener->address);

    struct door *door = &server->doors[server->n_doors++];
    *door = (struct door){
        .server = server,
        .fd = fd,
        .place = {.handler = listener->handler, .on_error = listener->on_error,
                  .context = listener->context, .is_tls = address.is_tls},
    };
    if (out_url)
        (void)snprintf(out_url, 300, "%s://%s%s%s:%d", address.is_tls ? "https" : "http",
                       address.is_bracketed ? "[" : "", address.host,
                       address.is_bracketed ? "]" : "", socket_port(fd));
    return KN_OK;
}

/* ---- accepting, on the first loop's thread ---- */

static void peer_name(char out[46], const struct sockaddr_storage *peer)
{
    const void *address = peer->ss_family == AF_INET6
                              ? (const void *)&((const struct sockaddr_in6 *)peer)->sin6_addr
                              : (const void *)&((const struct sockaddr_in *)peer)->sin_addr;
    if (!inet_ntop(peer->ss_family, address, out, 46))
        out[0] = '\0';
}

static void door_rest(struct door *door)
{
    (void)event_del(door->event);
    struct timeval rest = {.tv_usec = REST_US};
    (void)event_add(door->rest, &rest);
}

static void door_rested(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct door *door = context;
    (void)event_add(door->event, NULL);
}

static void door_open(evutil_socket_t listener, short what, void *context)
{
    (void)what;
    struct door *door = context;
    struct kn_http_server *server = door->server;
    if (server->shared.is_stopping) {
        (void)event_del(door->event);
        return;
    }
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_storage peer;
        socklen_t n = sizeof(peer);
        int fd = accept4((int)listener, (struct sockaddr *)&peer, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                door_rest(door);
            return;
        }
        struct kn_http_arrival *arrival = calloc(1, sizeof(*arrival));
        if (!arrival) {
            (void)close(fd);
            return;
        }
        arrival->fd = fd;
        arrival->place = &door->place;
        peer_name(arrival->peer, &peer);
        unsigned turn = atomic_fetch_add(&server->next_loop, 1);
        kn_http_loop_give(server->loops[turn % (unsigned)server->n_loops], arrival);
    }
}

kn_code kn_http_server_start(struct kn_http_server *server, struct kn_error *err)
{
    struct event_base *base = server->loops[0]->base;
    for (int i = 0; i < server->n_doors; i++) {
        struct door *door = &server->doors[i];
        door->event = event_new(base, door->fd, EV_READ | EV_PERSIST, door_open, door);
        door->rest = event_new(base, -1, 0, door_rested, door);
        if (!door->event || !door->rest || event_add(door->event, NULL) != 0)
            return kn_fail(err, KN_ENOMEM, "no memory to listen");
    }
    server->is_started = true;
    kn_code rc = KN_OK;
    for (int i = 0; rc == KN_OK && i < server->n_loops; i++)
        rc = kn_http_loop_start(server->loops[i], err);
    return rc;
}

/* ---- ending ---- */

void kn_http_server_stop(struct kn_http_server *server, int64_t drain_us)
{
    if (server->is_stopped)
        return;
    server->is_stopped = true;
    atomic_store(&server->shared.is_stopping, true);
    // From here on new connections are refused; those accepted but not served yet are reset.
    for (int i = 0; i < server->n_doors; i++)
        (void)shutdown(server->doors[i].fd, SHUT_RD);
    if (!server->is_started)
        return;
    int64_t deadline = kn_mono_us() + drain_us;
    for (int i = 0; i < server->n_loops; i++)
        kn_http_loop_drain(server->loops[i], false);
    for (int i = 0; i < server->n_loops; i++)
        if (drain_us > 0)
            (void)kn_http_loop_wait_empty(server->loops[i], deadline);
    for (int i = 0; i < server->n_loops; i++)
        kn_http_loop_drain(server->loops[i], true);
}

void kn_http_server_free(struct kn_http_server **server_at)
{
    struct kn_http_server *server = KN_TAKE(*server_at);
    if (!server)
        return;
    kn_http_server_stop(server, 0);
    kn_http_pool_free(&server->shared.pool);
    // The events of the doors live in the first loop's base: it goes last, after they are freed by
    // its own thread's end.
    for (int i = server->n_loops - 1; i >= 1; i--)
        kn_http_loop_end(&server->loops[i]);
    if (server->n_loops > 0)
        kn_http_loop_join(server->loops[0]);
    for (int i = 0; i < server->n_doors; i++) {
        struct door *door = &server->doors[i];
        if (door->event)
            event_free(door->event);
        if (door->rest)
            event_free(door->rest);
        kn_close_fd(&door->fd);
    }
    if (server->n_loops > 0)
        kn_http_loop_end(&server->loops[0]);
    SSL_CTX_free(server->shared.tls);
    free(server);
}

/* ---- going on elsewhere ---- */

void kn_http_run(struct kn_http_request *request, kn_http_handler fn, void *context)
{
    if (kn_http_pool_run(request->loop->shared->pool, request, fn, context))
        return;
    kn_buf_reset(&request->reply_headers);
    request->place->on_error(request, 503, "too many requests are waiting",
                             request->place->context);
}

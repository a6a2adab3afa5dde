/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A load client: N keep-alive connections on one thread send requests prepared in a file, as fast as
 * the server answers. Signing costs as much as serving, so it is done beforehand; the same client is
 * put before every server that is compared.
 *
 *     load HOST PORT CONNECTIONS SECONDS FILE [once]
 *
 * FILE holds requests one after another, each behind its length as a line of decimal digits. `once`:
 * stop when each has been sent (their nonces cannot be used twice); otherwise they go round.
 * Prints one line of JSON. Answers that are not 2xx count as errors and the first is shown.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 1024
#define BUFFER (256 * 1024)
#define MAX_TIMES 4000000

struct request {
    const char *bytes; // in the mapped file
    size_t n;
};

struct connection {
    int fd;
    const struct request *request; // being sent or answered; NULL: idle
    size_t n_sent;
    size_t n_head;       // bytes of the answer's head gathered in `head`
    char head[16384];
    bool is_in_body;
    int64_t body_left;   // -1: chunked, read to the last chunk's end
    char tail[5];        // the last bytes of a chunked body
    int64_t began_us;
};

static struct request *requests; // owned
static size_t n_requests, next_request;
static bool is_once;
static struct connection connections[MAX_CONNECTIONS];
static struct sockaddr_in address;
static int poller;
static int64_t deadline_us;
static int64_t n_done, n_errors, n_bytes;
static int *times_us; // owned

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void requests_read(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        die(path);
    const char *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED)
        die(path);
    const char *end = at + st.st_size;
    size_t room = 0;
    while (at < end) {
        char *after = NULL;
        size_t n = strtoul(at, &after, 10);
        if (n_requests == room) {
            room = room ? room * 2 : 1024;
            requests = realloc(requests, room * sizeof(*requests));
            if (!requests)
                die("memory");
        }
        requests[n_requests++] = (struct request){.bytes = after + 1, .n = n};
        at = after + 1 + n;
    }
}

/* ---- one connection ---- */

static void connection_open(struct connection *c)
{
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        die("connect");
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    (void)fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event) != 0)
        die("epoll");
}

static void connection_write(struct connection *c)
{
    while (c->n_sent < c->request->n) {
        ssize_t n = send(c->fd, c->request->bytes + c->n_sent, c->request->n - c->n_sent,
                         MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            die("send");
        c->n_sent += (size_t)n;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (c->n_sent < c->request->n)
        event.events |= EPOLLOUT;
    if (event.events & EPOLLOUT || c->request->n > 65536)
        (void)epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
}

static void connection_next(struct connection *c)
{
    c->request = NULL;
    if (now_us() >= deadline_us || (is_once && next_request >= n_requests))
        return;
    c->request = &requests[next_request++ % n_requests];
    c->n_sent = c->n_head = 0;
    c->is_in_body = false;
    c->began_us = now_us();
    connection_write(c);
}

static void answer_done(struct connection *c)
{
    if (n_done < MAX_TIMES)
        times_us[n_done] = (int)(now_us() - c->began_us);
    n_done++;
    bool is_closing = strcasestr(c->head, "\r\nconnection: close") != NULL;
    if (is_closing) {
        (void)close(c->fd);
        connection_open(c);
    }
    connection_next(c);
}

static void head_read(struct connection *c)
{
    int status = 0;
    if (sscanf(c->head, "HTTP/1.1 %d", &status) != 1 || status < 200 || status > 299) {
        if (n_errors++ == 0)
            fprintf(stderr, "load: answered: %.600s\n", c->head);
    }
    const char *length = strcasestr(c->head, "\r\ncontent-length:");
    c->body_left = 0;
    memset(c->tail, 0, sizeof(c->tail));
    if (length)
        c->body_left = atoll(length + 17);
    else if (strcasestr(c->head, "\r\ntransfer-encoding: chunked"))
        c->body_left = -1;
    c->is_in_body = true;
}

// Take bytes of a body; how many of them belong to it.
static size_t body_take(struct connection *c, const char *bytes, size_t n)
{
    if (c->body_left >= 0) {
        if ((int64_t)n > c->body_left)
            n = (size_t)c->body_left;
        c->body_left -= (int64_t)n;
        return n;
    }
    for (size_t i = 0; i < n; i++) {
        memmove(c->tail, c->tail + 1, 4);
        c->tail[4] = bytes[i];
    }
    if (memcmp(c->tail, "0\r\n\r\n", 5) == 0)
        c->body_left = 0;
    return n;
}

static void answer_take(struct connection *c, const char *bytes, size_t n)
{
    n_bytes += (int64_t)n;
    if (!c->is_in_body) {
        size_t before = c->n_head;
        size_t room = sizeof(c->head) - 1 - before;
        size_t take = n < room ? n : room;
        memcpy(c->head + before, bytes, take);
        c->head[before + take] = '\0';
        c->n_head += take;
        char *end = strstr(c->head, "\r\n\r\n");
        if (!end) {
            if (take < n)
                die("a head that is too long");
            return;
        }
        size_t head_here = (size_t)(end + 4 - c->head) - before;
        head_read(c);
        end[2] = '\0';
        bytes += head_here;
        n -= head_here;
    }
    (void)body_take(c, bytes, n);
    if (c->body_left == 0)
        answer_done(c);
}

static void connection_read(struct connection *c)
{
    static char buffer[BUFFER];
    ssize_t n = recv(c->fd, buffer, sizeof(buffer), 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n > 0 && c->request) {
        answer_take(c, buffer, (size_t)n);
        return;
    }
    // Closed by the server: between requests that is its right; during one it is an error.
    if (c->request && ++n_errors == 1)
        fprintf(stderr, "load: the server closed a connection\n");
    (void)close(c->fd);
    connection_open(c);
    connection_next(c);
}

/* ---- all of it ---- */

static int int_compare(const void *a, const void *b)
{
    int left = *(const int *)a, right = *(const int *)b;
    return (left > right) - (left < right);
}

static bool is_busy(int n_connections)
{
    for (int i = 0; i < n_connections; i++)
        if (connections[i].request)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    int n_connections = argc > 5 ? atoi(argv[3]) : 0;
    double seconds = argc > 5 ? atof(argv[4]) : 0;
    if (n_connections < 1 || n_connections > MAX_CONNECTIONS || seconds <= 0) {
        fprintf(stderr, "usage: load HOST PORT CONNECTIONS SECONDS FILE [once]\n");
        return 2;
    }
    is_once = argc > 6 && strcmp(argv[6], "once") == 0;
    requests_read(argv[5]);
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    times_us = calloc(MAX_TIMES, sizeof(*times_us));
    if (inet_pton(AF_INET, argv[1], &address.sin_addr) != 1 || n_requests == 0 || !times_us)
        die("arguments");
    poller = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < n_connections; i++)
        connection_open(&connections[i]);
    int64_t began = now_us();
    deadline_us = began + (int64_t)(seconds * 1e6);
    for (int i = 0; i < n_connections; i++)
        connection_next(&connections[i]);
    while (is_busy(n_connections)) {
        struct epoll_event events[256];
        int n = epoll_wait(poller, events, 256, 10000);
        if (n == 0) {
            n_errors++;
            fprintf(stderr, "load: no answer within 10 s\n");
            break;
        }
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT && c->request)
                connection_write(c);
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                connection_read(c);
        }
    }
    double elapsed = (double)(now_us() - began) / 1e6;
    size_t n_times = (size_t)(n_done < MAX_TIMES ? n_done : MAX_TIMES);
    qsort(times_us, n_times, sizeof(*times_us), int_compare);
    struct rusage own;
    getrusage(RUSAGE_SELF, &own);
    printf("{\"requests\": %lld, \"errors\": %lld, \"seconds\": %.4f, \"per_second\": %.1f, "
           "\"bytes\": %lld, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"client_cpu_s\": %.3f}\n",
           (long long)n_done, (long long)n_errors, elapsed, (double)n_done / elapsed,
           (long long)n_bytes, n_times ? times_us[n_times / 2] / 1000.0 : 0,
           n_times ? times_us[n_times * 99 / 100] / 1000.0 : 0,
           (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) +
               (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6);
    return 0;
}

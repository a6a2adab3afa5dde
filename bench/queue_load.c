/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A load client for queues: N connections, a thread each, send messages of a kilobyte, or take them one by
 * one: receive, then delete with the handle that came. Deletes name what was received, so requests are
 * signed as they go.
 *
 *     queue-load HOST PORT CONNECTIONS SECONDS QUEUE KEY SECRET send|take
 *
 * Prints one line of JSON: messages sent, or received and deleted. "take" stops when the queue is empty.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/time.h"

#define MAX_CONNECTIONS 256
#define MAX_TIMES 2000000
#define BODY_BYTES 1024

static struct sockaddr_in address;
static const char *queue, *key_id, *secret;
static bool is_sending;
static int64_t deadline_us;
static _Atomic int64_t n_done, n_errors;
static int *times_us; // owned

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int connection_open(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        die("queue-load: connect");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

// One exchange; the answer, head and body, is left in `answer`. Returns its status.
static int exchange(int fd, struct kn_buf *answer, const char *method, const char *target,
                    const char *body)
{
    char date[32];
    kn_time_http(date, kn_now_us());
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    kn_auto(kn_buf_clear) struct kn_buf request = {0};
    uint8_t mac[KN_SHA1_BYTES];
    kn_buf_printf(&text, "%s\n\n%s\n%s\nx-mns-version:2015-06-06\n%s", method,
                  body ? "text/xml" : "", date, target);
    kn_hmac_sha1(mac, secret, strlen(secret), kn_buf_text(&text), text.len);
    kn_buf_printf(&request, "%s %s HTTP/1.1\r\nHost: bench\r\nDate: %s\r\n"
                            "x-mns-version: 2015-06-06\r\nAuthorization: MNS %s:",
                  method, target, date, key_id);
    kn_base64(&request, mac, sizeof(mac));
    if (body)
        kn_buf_printf(&request, "\r\nContent-Type: text/xml\r\nContent-Length: %zu", strlen(body));
    kn_buf_printf(&request, "\r\n\r\n%s", body ? body : "");
    if (send(fd, request.data, request.len, MSG_NOSIGNAL) != (ssize_t)request.len)
        die("queue-load: send");
    kn_buf_reset(answer);
    size_t n_whole = 0;
    while (n_whole == 0 || answer->len < n_whole) {
        char piece[16384];
        ssize_t n = recv(fd, piece, sizeof(piece), 0);
        if (n <= 0)
            die("queue-load: recv");
        kn_buf_add(answer, piece, (size_t)n);
        const char *end = strstr(kn_buf_text(answer), "\r\n\r\n");
        const char *length = end ? strcasestr(kn_buf_text(answer), "content-length:") : NULL;
        if (end && n_whole == 0)
            n_whole = (size_t)(end - answer->data) + 4 +
                      (length && length < end ? strtoul(length + 15, NULL, 10) : 0);
    }
    return atoi(kn_buf_text(answer) + 9);
}

static bool send_one(int fd, struct kn_buf *answer, const char *target, const char *body)
{
    return exchange(fd, answer, "POST", target, body) == 201;
}

// -1: the queue is empty.
static int take_one(int fd, struct kn_buf *answer, const char *target)
{
    int status = exchange(fd, answer, "GET", target, NULL);
    const char *at = status == 200 ? strstr(kn_buf_text(answer), "<ReceiptHandle>") : NULL;
    if (!at)
        return status == 404 ? -1 : 0;
    char receipt[128], with_receipt[512];
    size_t n = strcspn(at + 15, "<");
    (void)snprintf(receipt, sizeof(receipt), "%.*s", (int)n, at + 15);
    (void)snprintf(with_receipt, sizeof(with_receipt), "%s?ReceiptHandle=%s", target, receipt);
    return exchange(fd, answer, "DELETE", with_receipt, NULL) == 204;
}

static void *connection_main(void *context)
{
    (void)context;
    int fd = connection_open();
    char target[300];
    (void)snprintf(target, sizeof(target), "/queues/%s/messages", queue);
    kn_auto(kn_buf_clear) struct kn_buf answer = {0};
    kn_auto(kn_buf_clear) struct kn_buf body = {0};
    kn_buf_puts(&body, "<Message><MessageBody>");
    for (int i = 0; i < BODY_BYTES; i++)
        kn_buf_putc(&body, (char)('a' + i % 26));
    kn_buf_puts(&body, "</MessageBody></Message>");
    for (int64_t began; (began = kn_mono_us()) < deadline_us;) {
        int done = is_sending ? send_one(fd, &answer, target, body.data)
                              : take_one(fd, &answer, target);
        if (done < 0)
            break;
        if (!done) {
            n_errors++;
            continue;
        }
        int64_t at = n_done++;
        if (at < MAX_TIMES)
            times_us[at] = (int)(kn_mono_us() - began);
    }
    (void)close(fd);
    return NULL;
}

static int int_compare(const void *a, const void *b)
{
    return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

int main(int argc, char **argv)
{
    if (argc != 9) {
        (void)fprintf(stderr, "usage: queue-load HOST PORT CONNECTIONS SECONDS QUEUE KEY SECRET send|take\n");
        return 2;
    }
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)atoi(argv[2]));
    int n = atoi(argv[3]);
    times_us = calloc(MAX_TIMES, sizeof(*times_us));
    if (inet_pton(AF_INET, argv[1], &address.sin_addr) != 1 || n < 1 || n > MAX_CONNECTIONS || !times_us)
        return 2;
    queue = argv[5];
    key_id = argv[6];
    secret = argv[7];
    is_sending = strcmp(argv[8], "send") == 0;
    int64_t began = kn_mono_us();
    deadline_us = began + (int64_t)(atof(argv[4]) * 1e6);
    pthread_t threads[MAX_CONNECTIONS];
    for (int i = 0; i < n; i++)
        if (pthread_create(&threads[i], NULL, connection_main, NULL) != 0)
            die("queue-load: thread");
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    int64_t ended_us = kn_mono_us();
    int64_t done = n_done;
    size_t n_times = (size_t)(done < MAX_TIMES ? done : MAX_TIMES);
    qsort(times_us, n_times, sizeof(*times_us), int_compare);
    printf("{\"messages\": %lld, \"per_second\": %.0f, \"p99_ms\": %.2f, \"errors\": %lld}\n",
           (long long)done, (double)done * 1e6 / (double)(ended_us - began),
           n_times ? times_us[n_times * 99 / 100] / 1000.0 : 0.0, (long long)n_errors);
    free(times_us);
    return 0;
}

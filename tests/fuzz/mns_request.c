/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whole requests of the queues' dialect, over real queues in the current folder: addresses, both
 * signatures, XML, receipt handles.
 *
 * An input that begins with '!' is a caller whose every signature fits, so that what comes after
 * authentication is reached without knowing the key; others must be refused.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/mns/mns.h"
#include "api/xml.h"
#include "base/cleanup.h"
#include "base/strings.h"
#include "base/time.h"
#include "queues/message.h"
#include "queues/topic.h"
#include "known_keys.h"
#include "support/memory_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static struct kn_queues *queues;
static struct kn_mns *mns;

static int64_t now_us(void *context)
{
    (void)context;
    return INT64_C(1772359200) * KN_SECOND; // 2026-03-01T10:00:00Z
}

/* ---- the queues ---- */

static void check(kn_code rc, const struct kn_error *err)
{
    if (rc == KN_OK)
        return;
    fprintf(stderr, "mns_request: %s\n", err->message);
    abort();
}

static void stack_open(void)
{
    struct kn_error err = {0};
    struct kn_db *db = NULL;
    char url[64];
    // One file for each process: a run may be one of several in the same place.
    (void)snprintf(url, sizeof(url), "sqlite:mns-%d.db", (int)getpid());
    check(kn_db_open(&db, url, &err), &err);
    check(kn_queues_open(&queues,
                         &(struct kn_queues_config){.db = db, .account_id = "1", .now = now_us}, &err),
          &err);
    check(kn_mns_new(&mns,
                     &(struct kn_mns_config){.queues = queues, .account_id = "1", .now_us = now_us},
                     &err),
          &err);
    kn_mns_drain(mns); // nobody waits here
}

// What an input may have removed.
static void queues_fill(void)
{
    struct kn_error err = {0};
    bool is_new;
    int64_t n, max_bytes;
    struct kn_queue queue = {.name = "q", .max_message_bytes = 65536, .retention_us = KN_DAY,
                             .visibility_us = KN_SECOND};
    struct kn_topic topic = {.name = "t", .max_message_bytes = 65536};
    struct kn_subscription subscription = {.topic = "t", .name = "s",
                                           .endpoint = "acs:mns:r:1:queues/q"};
    check(kn_queue_delete(queues, "q", &err), &err);
    check(kn_queues_prune(queues, 1000, &n, &err), &err);
    check(kn_queue_create(queues, &queue, &is_new, &err), &err);
    check(kn_topic_delete(queues, "t", &err), &err);
    check(kn_topic_create(queues, &topic, &is_new, &err), &err);
    check(kn_subscription_create(queues, &subscription, &is_new, &err), &err);
    struct kn_message_send send = {.body = "<&> \xF0\x9D\x84\x9E"};
    check(kn_message_send(queues, "q", &send, 1, &max_bytes, &err), &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (!mns) {
        stack_open();
        queues_fill();
    }
    is_trusted = n > 0 && bytes[0] == '!';
    kn_auto(memory_request_clear) struct kn_http_request request;
    if (!memory_request_parse(&request, bytes + is_trusted, n - is_trusted))
        return 0;
    kn_mns_handle(&request, mns);
    assert(request.is_over && request.status >= 200);
    assert(is_trusted || request.status >= 400);
    if (request.answer.len > 0) {
        kn_auto(kn_xml_free) xmlDoc *doc = NULL;
        assert(kn_xml_parse(&doc, request.answer.data, request.answer.len, NULL) == KN_OK);
    }
    bool may_change = strcmp(request.method, "GET") != 0 || strstr(request.target, "messages");
    if (is_trusted && may_change) {
        is_trusted = false; // for the filling
        queues_fill();
    }
    return 0;
}

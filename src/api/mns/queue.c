/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Queues and their attributes: spec 10, section 3. */
#include <stdlib.h>
#include <string.h>

#include "api/mns/call.h"
#include "base/cleanup.h"
#include "base/strings.h"
#include "base/time.h"

static const struct kn_mns_field fields[] = {
    {"DelaySeconds", 0, 604800, KN_SECOND, "seconds", offsetof(struct kn_queue, delay_us)},
    {"MaximumMessageSize", 1024, 65536, 1, "bytes", offsetof(struct kn_queue, max_message_bytes)},
    {"MessageRetentionPeriod", 60, 1296000, KN_SECOND, "seconds",
     offsetof(struct kn_queue, retention_us)},
    {"VisibilityTimeout", 1, 43200, KN_SECOND, "seconds", offsetof(struct kn_queue, visibility_us)},
    {"PollingWaitSeconds", 0, 30, KN_SECOND, "seconds", offsetof(struct kn_queue, polling_wait_us)},
};

kn_code kn_mns_put_queue(struct kn_mns_call *call, struct kn_error *err)
{
    const char *override = kn_mns_param(call, "metaoverride");
    bool is_set = override && kn_equal_nocase(override, "true");
    struct kn_queue queue = {
        .max_message_bytes = 65536,
        .retention_us = 345600 * KN_SECOND,
        .visibility_us = 30 * KN_SECOND,
    };
    if (is_set)
        queue = (struct kn_queue){.delay_us = -1, .max_message_bytes = -1, .retention_us = -1,
                                  .visibility_us = -1, .polling_wait_us = -1, .is_logging = -1};
    kn_auto(kn_xml_free) xmlDoc *doc = NULL;
    const xmlNode *root;
    bool is_new = false;
    kn_code rc = kn_mns_body(call, "Queue", &doc, &root, err);
    if (rc == KN_OK)
        rc = kn_mns_read_fields(&queue, root, fields, KN_COUNT(fields), &call->arena, err);
    if (rc == KN_OK)
        rc = kn_mns_read_flag(&queue.is_logging, root, "LoggingEnabled", &call->arena, err);
    (void)kn_copy(queue.name, sizeof(queue.name), call->name);
    if (rc == KN_OK && is_set)
        rc = kn_queue_set(call->mns->config.queues, &queue, err);
    else if (rc == KN_OK)
        rc = kn_queue_create(call->mns->config.queues, &queue, &is_new, err);
    if (rc != KN_OK)
        return rc;
    return is_set ? kn_mns_reply_empty(call, 204) : kn_mns_reply_created(call, is_new);
}

static void attributes_write(struct kn_buf *xml, const struct kn_queue *queue)
{
    kn_xml(xml, "QueueName", queue->name);
    kn_xml_int(xml, "CreateTime", queue->created_us / KN_SECOND);
    kn_xml_int(xml, "LastModifyTime", queue->modified_us / KN_SECOND);
    kn_xml_int(xml, "VisibilityTimeout", queue->visibility_us / KN_SECOND);
    kn_xml_int(xml, "MaximumMessageSize", queue->max_message_bytes);
    kn_xml_int(xml, "MessageRetentionPeriod", queue->retention_us / KN_SECOND);
    kn_xml_int(xml, "DelaySeconds", queue->delay_us / KN_SECOND);
    kn_xml_int(xml, "PollingWaitSeconds", queue->polling_wait_us / KN_SECOND);
    kn_xml_int(xml, "ActiveMessages", queue->n_active);
    kn_xml_int(xml, "InactiveMessages", queue->n_inactive);
    kn_xml_int(xml, "DelayMessages", queue->n_delayed);
    kn_xml(xml, "LoggingEnabled", queue->is_logging ? "True" : "False");
}

kn_code kn_mns_get_queue(struct kn_mns_call *call, struct kn_error *err)
{
    struct kn_queue queue;
    kn_code rc = kn_queue_get(call->mns->config.queues, call->name, &queue, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_mns_xml_open(&xml, "Queue");
    attributes_write(&xml, &queue);
    kn_buf_puts(&xml, "</Queue>");
    return kn_mns_reply_xml(call, 200, &xml, err);
}

kn_code kn_mns_delete_queue(struct kn_mns_call *call, struct kn_error *err)
{
    kn_code rc = kn_queue_delete(call->mns->config.queues, call->name, err);
    return rc == KN_OK ? kn_mns_reply_empty(call, 204) : rc;
}

kn_code kn_mns_list_queue(struct kn_mns_call *call, struct kn_error *err)
{
    const char *meta = kn_http_header(call->request, "x-mns-with-meta");
    bool with_meta = meta && kn_equal_nocase(meta, "true");
    struct kn_name_page page;
    kn_auto(kn_free) struct kn_queue *queues = NULL;
    size_t n = 0;
    kn_code rc = kn_mns_page(call, &page, err);
    if (rc == KN_OK)
        rc = kn_queue_list(call->mns->config.queues, &page, with_meta, &queues, &n, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_mns_xml_open(&xml, "Queues");
    for (size_t i = 0; i < n; i++) {
        char path[KN_QUEUE_NAME_SIZE + 16];
        (void)snprintf(path, sizeof(path), "/queues/%s", queues[i].name);
        kn_buf_puts(&xml, "<Queue>");
        kn_mns_xml_url(&xml, call, "QueueURL", path);
        if (with_meta)
            attributes_write(&xml, &queues[i]);
        kn_buf_puts(&xml, "</Queue>");
    }
    if (page.has_more && n > 0)
        kn_xml(&xml, "NextMarker", queues[n - 1].name);
    kn_buf_puts(&xml, "</Queues>");
    return kn_mns_reply_xml(call, 200, &xml, err);
}

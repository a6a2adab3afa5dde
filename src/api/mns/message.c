/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages of a queue: spec 10, section 4. */
#include <string.h>

#include "api/mns/call.h"
#include "base/cleanup.h"
#include "base/strings.h"
#include "base/time.h"
#include "queues/message.h"
#include "queues/waiting.h"

static kn_code batch_refused(struct kn_error *err)
{
    return kn_fail_as(err, KN_EINVAL, "InvalidArgument",
                      "a batch has between 1 and %d entries", KN_MAX_BATCH);
}

static kn_code no_message(struct kn_error *err)
{
    return kn_fail_as(err, KN_ENOTFOUND, "MessageNotExist", "Message not exist.");
}

/* ---- sending ---- */

// A single message, or those of a batch. *out_n 0 says that the XML was neither.
static kn_code messages_read(struct kn_mns_call *call, const xmlNode *root,
                             struct kn_message_send sends[KN_MAX_BATCH], size_t *out_n,
                             struct kn_error *err)
{
    if (kn_xml_is(root, "Message")) {
        *out_n = 1;
        return kn_mns_read_message(&sends[0], root, &call->arena, err);
    }
    if (!kn_xml_is(root, "Messages"))
        return kn_xml_malformed(err, "the root element must be Message or Messages");
    size_t n = kn_xml_count(root, "Message");
    if (n == 0 || n > KN_MAX_BATCH)
        return batch_refused(err);
    kn_code rc = KN_OK;
    *out_n = 0;
    for (const xmlNode *node = root->children; node && rc == KN_OK; node = node->next)
        if (kn_xml_is(node, "Message"))
            rc = kn_mns_read_message(&sends[(*out_n)++], node, &call->arena, err);
    return rc;
}

static void sent_write(struct kn_buf *xml, const struct kn_message_send *send, int64_t max_bytes)
{
    char md5[33], text[80];
    if (send->is_too_long) {
        kn_xml(xml, "ErrorCode", "InvalidArgument");
        (void)snprintf(text, sizeof(text), "The value of MessageBody should between 1 and %lld bytes.",
                       (long long)max_bytes);
        kn_xml(xml, "ErrorMessage", text);
        return;
    }
    kn_message_md5(md5, send->body);
    kn_xml(xml, "MessageId", send->id);
    kn_xml(xml, "MessageBodyMD5", md5);
    if (send->receipt[0])
        kn_xml(xml, "ReceiptHandle", send->receipt);
}

kn_code kn_mns_send(struct kn_mns_call *call, struct kn_error *err)
{
    const struct kn_buf *body = kn_http_body(call->request);
    kn_auto(kn_xml_free) xmlDoc *doc = NULL;
    struct kn_message_send sends[KN_MAX_BATCH] = {0};
    size_t n = 0, n_failed = 0;
    int64_t max_bytes = 0;
    kn_code rc = kn_xml_parse(&doc, body ? kn_buf_text(body) : "", body ? body->len : 0, err);
    if (rc == KN_OK)
        rc = messages_read(call, xmlDocGetRootElement(doc), sends, &n, err);
    if (rc == KN_OK)
        rc = kn_message_send(call->mns->config.queues, call->name, sends, n, &max_bytes, err);
    if (rc != KN_OK)
        return rc;
    for (size_t i = 0; i < n; i++)
        n_failed += sends[i].is_too_long;
    bool is_batch = kn_xml_is(xmlDocGetRootElement(doc), "Messages");
    if (!is_batch && n_failed > 0)
        return kn_fail_as(err, KN_EINVAL, "InvalidArgument",
                          "The value of MessageBody should between 1 and %lld bytes.",
                          (long long)max_bytes);
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_mns_xml_open(&xml, is_batch ? "Messages" : "Message");
    for (size_t i = 0; i < n; i++) {
        if (is_batch)
            kn_buf_puts(&xml, "<Message>");
        sent_write(&xml, &sends[i], max_bytes);
        if (is_batch)
            kn_buf_puts(&xml, "</Message>");
    }
    kn_buf_puts(&xml, is_batch ? "</Messages>" : "</Message>");
    return kn_mns_reply_xml(call, n_failed > 0 ? 500 : 201, &xml, err);
}

/* ---- receiving ---- */

static void message_write(struct kn_buf *xml, const struct kn_message *message, bool is_peek)
{
    char md5[33];
    kn_message_md5(md5, message->body);
    kn_xml(xml, "MessageId", message->id);
    if (!is_peek)
        kn_xml(xml, "ReceiptHandle", message->receipt);
    kn_xml(xml, "MessageBodyMD5", md5);
    kn_xml(xml, "MessageBody", message->body);
    kn_xml_int(xml, "EnqueueTime", message->enqueued_us / 1000);
    if (!is_peek)
        kn_xml_int(xml, "NextVisibleTime", message->visible_us / 1000);
    kn_xml_int(xml, "FirstDequeueTime", message->first_dequeued_us / 1000);
    kn_xml_int(xml, "DequeueCount", message->n_dequeued);
    kn_xml_int(xml, "Priority", message->priority);
    kn_mns_xml_properties(xml, message->properties);
}

static kn_code reply_messages(struct kn_mns_call *call, const struct kn_message *messages, size_t n,
                              bool is_batch, bool is_peek, struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_mns_xml_open(&xml, is_batch ? "Messages" : "Message");
    for (size_t i = 0; i < n; i++) {
        if (is_batch)
            kn_buf_puts(&xml, "<Message>");
        message_write(&xml, &messages[i], is_peek);
        if (is_batch)
            kn_buf_puts(&xml, "</Message>");
    }
    kn_buf_puts(&xml, is_batch ? "</Messages>" : "</Message>");
    return kn_mns_reply_xml(call, 200, &xml, err);
}

kn_code kn_mns_peek(struct kn_mns_call *call, struct kn_error *err)
{
    struct kn_message messages[KN_MAX_BATCH];
    int64_t max = 1;
    size_t n = 0;
    kn_code rc = kn_mns_param_int(call, "numOfMessages", 1, KN_MAX_BATCH, 1, &max, err);
    if (rc == KN_OK)
        rc = kn_message_peek(call->mns->config.queues, call->name, (int)max, &call->arena, messages,
                             &n, err);
    if (rc != KN_OK)
        return rc;
    return n > 0 ? reply_messages(call, messages, n, kn_mns_param(call, "numOfMessages"), true, err)
                 : no_message(err);
}

// With nothing there it asks to be run again; the first look says until when.
kn_code kn_mns_receive(struct kn_mns_call *call, struct kn_error *err)
{
    struct kn_queues *queues = call->mns->config.queues;
    struct kn_message messages[KN_MAX_BATCH];
    int64_t max = 1, wait_s = -1, queue_wait_us = 0;
    size_t n = 0;
    kn_code rc = kn_mns_param_int(call, "numOfMessages", 1, KN_MAX_BATCH, 1, &max, err);
    if (rc == KN_OK)
        rc = kn_mns_param_int(call, "waitseconds", 0, 30, -1, &wait_s, err);
    call->ticket = kn_waiting_ticket(queues, call->name);
    if (rc == KN_OK)
        rc = kn_message_receive(queues, call->name, (int)max, &call->arena, messages, &n,
                                &queue_wait_us, err);
    if (rc != KN_OK)
        return rc;
    if (n > 0)
        return reply_messages(call, messages, n, kn_mns_param(call, "numOfMessages"), false, err);
    if (call->deadline_us == 0)
        call->deadline_us = kn_mono_us() + (wait_s >= 0 ? wait_s * KN_SECOND : queue_wait_us);
    call->wants_wait = kn_mono_us() < call->deadline_us;
    return call->wants_wait ? KN_OK : no_message(err);
}

/* ---- with a handle ---- */

static kn_code receipt_param(const struct kn_mns_call *call, const char **out, struct kn_error *err)
{
    *out = kn_mns_param(call, "ReceiptHandle");
    if (!*out || !(*out)[0])
        return kn_fail_as(err, KN_EINVAL, "MissingReceiptHandle", "ReceiptHandle is required.");
    return KN_OK;
}

kn_code kn_mns_hide(struct kn_mns_call *call, struct kn_error *err)
{
    const char *receipt;
    char replaced[KN_RECEIPT_SIZE];
    int64_t visibility_s = 0, visible_us = 0;
    kn_code rc = receipt_param(call, &receipt, err);
    if (rc == KN_OK && !kn_mns_param(call, "VisibilityTimeout"))
        rc = kn_fail_as(err, KN_EINVAL, "MissingVisibilityTimeout", "VisibilityTimeout is required.");
    if (rc == KN_OK)
        rc = kn_mns_param_int(call, "VisibilityTimeout", 1, 43200, 0, &visibility_s, err);
    if (rc == KN_OK)
        rc = kn_message_hide(call->mns->config.queues, call->name, receipt,
                             visibility_s * KN_SECOND, replaced, &visible_us, err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_mns_xml_open(&xml, "ChangeVisibility");
    kn_xml(&xml, "ReceiptHandle", replaced);
    kn_xml_int(&xml, "NextVisibleTime", visible_us / 1000);
    kn_buf_puts(&xml, "</ChangeVisibility>");
    return kn_mns_reply_xml(call, 200, &xml, err);
}

static kn_code handles_read(struct kn_mns_call *call, const char *receipts[KN_MAX_BATCH],
                            size_t *out_n, struct kn_error *err)
{
    kn_auto(kn_xml_free) xmlDoc *doc = NULL;
    const xmlNode *root;
    kn_code rc = kn_mns_body(call, "ReceiptHandles", &doc, &root, err);
    if (rc != KN_OK)
        return rc;
    if (!root)
        return receipt_param(call, &receipts[0], err);
    size_t n = kn_xml_count(root, "ReceiptHandle");
    if (n == 0 || n > KN_MAX_BATCH)
        return batch_refused(err);
    *out_n = 0;
    for (const xmlNode *node = root->children; node; node = node->next) {
        if (!kn_xml_is(node, "ReceiptHandle"))
            continue;
        receipts[*out_n] = kn_xml_node_text(node, &call->arena);
        if (!receipts[(*out_n)++])
            return kn_fail(err, KN_ENOMEM, "no memory for a request");
    }
    return KN_OK;
}

static const char *refusal(kn_code code, const char **out_message)
{
    *out_message = code == KN_EINVAL ? "The receipt handle you provide is not valid."
                                     : "Message not exist.";
    return code == KN_EINVAL ? "ReceiptHandleError" : "MessageNotExist";
}

// One handle in the query, or some in the body.
kn_code kn_mns_delete(struct kn_mns_call *call, struct kn_error *err)
{
    const char *receipts[KN_MAX_BATCH] = {kn_mns_param(call, "ReceiptHandle")};
    kn_code codes[KN_MAX_BATCH];
    bool is_batch = !receipts[0];
    size_t n = 1, n_failed = 0;
    kn_code rc = is_batch ? handles_read(call, receipts, &n, err) : KN_OK;
    if (rc == KN_OK)
        rc = kn_message_delete(call->mns->config.queues, call->name, receipts, n, codes, err);
    if (rc != KN_OK)
        return rc;
    const char *message;
    for (size_t i = 0; i < n; i++)
        n_failed += codes[i] != KN_OK;
    if (n_failed == 0)
        return kn_mns_reply_empty(call, 204);
    if (!is_batch) {
        const char *code = refusal(codes[0], &message);
        return kn_fail_as(err, codes[0], code, "%s", message);
    }
    kn_auto(kn_buf_clear) struct kn_buf xml = {0};
    kn_mns_xml_open(&xml, "Errors");
    for (size_t i = 0; i < n; i++) {
        if (codes[i] == KN_OK)
            continue;
        kn_buf_puts(&xml, "<Error>");
        kn_xml(&xml, "ErrorCode", refusal(codes[i], &message));
        kn_xml(&xml, "ErrorMessage", message);
        kn_xml(&xml, "ReceiptHandle", receipts[i]);
        kn_buf_puts(&xml, "</Error>");
    }
    kn_buf_puts(&xml, "</Errors>");
    return kn_mns_reply_xml(call, 404, &xml, err);
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The three formats. Keys and their order are the wire's. */
#include "queues/notice.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/xml.h"
#include "queues/message.h"

#define MAX_MEMBERS 9

struct member {
    const char *name, *value;
};

static void xml_write(struct kn_buf *out, const struct member *members, size_t n)
{
    kn_buf_puts(out, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
                     "<Notification xmlns=\"http://mns.aliyuncs.com/doc/v1/\">");
    for (size_t i = 0; i < n; i++)
        kn_xml(out, members[i].name, members[i].value);
    kn_buf_puts(out, "</Notification>");
}

static void json_write(struct kn_buf *out, const struct member *members, size_t n)
{
    json_auto_t *object = json_object();
    for (size_t i = 0; i < n; i++)
        (void)json_object_set_new(object, members[i].name, json_string(members[i].value));
    kn_auto(kn_free) char *text = kn_json_text(object);
    if (text)
        kn_buf_puts(out, text);
    else
        out->is_broken = true;
}

void kn_notice_write(struct kn_buf *out, const struct kn_notice *notice,
                     enum kn_notify_format format)
{
    if (format == KN_NOTIFY_SIMPLIFIED) {
        kn_buf_puts(out, notice->body);
        return;
    }
    char md5[33], at[24];
    kn_message_md5(md5, notice->body);
    (void)snprintf(at, sizeof(at), "%" PRId64, notice->published_us / 1000);
    const struct member all[MAX_MEMBERS] = {
        {"TopicOwner", notice->account_id},  {"TopicName", notice->topic},
        {"Subscriber", notice->account_id},  {"SubscriptionName", notice->subscription},
        {"MessageId", notice->message_id},   {"MessageMD5", md5},
        {"Message", notice->body},           {"MessageTag", notice->tag},
        {"PublishTime", at},
    };
    struct member members[MAX_MEMBERS];
    size_t n = 0;
    for (size_t i = 0; i < MAX_MEMBERS; i++)
        if (strcmp(all[i].name, "MessageTag") != 0 || notice->tag[0])
            members[n++] = all[i];
    if (format == KN_NOTIFY_JSON)
        json_write(out, members, n);
    else
        xml_write(out, members, n);
}

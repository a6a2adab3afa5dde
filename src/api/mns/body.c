/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bodies of requests: attributes, messages, receipt handles (spec 10, sections 3 to 5). */
#include <string.h>

#include <jansson.h>

#include "api/mns/call.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/time.h"
#include "queues/message.h"

kn_code kn_mns_body(struct kn_mns_call *call, const char *root, xmlDoc **out_doc,
                    const xmlNode **out_root, struct kn_error *err)
{
    const struct kn_buf *body = kn_http_body(call->request);
    *out_root = NULL;
    if (!body || body->len == 0)
        return KN_OK;
    kn_code rc = kn_xml_parse(out_doc, kn_buf_text(body), body->len, err);
    if (rc != KN_OK)
        return rc;
    *out_root = xmlDocGetRootElement(*out_doc);
    return kn_xml_is(*out_root, root)
               ? KN_OK
               : kn_fail_as(err, KN_EINVAL, "MalformedXML", "the root element must be %s", root);
}

kn_code kn_mns_read_fields(void *record, const xmlNode *node, const struct kn_mns_field *fields,
                           size_t n, struct kn_arena *arena, struct kn_error *err)
{
    for (size_t i = 0; node && i < n; i++) {
        const struct kn_mns_field *field = &fields[i];
        const char *text = kn_xml_child_text(node, field->name, arena);
        int64_t value;
        if (!text || text[0] == '\0')
            continue;
        if (!kn_parse_int(text, field->min, field->max, &value))
            return kn_fail_as(err, KN_EINVAL, "InvalidArgument",
                              "The value of %s should between %lld and %lld %s.", field->name,
                              (long long)field->min, (long long)field->max, field->unit);
        value *= field->scale;
        memcpy((char *)record + field->offset, &value, sizeof(value));
    }
    return KN_OK;
}

kn_code kn_mns_read_flag(int *out, const xmlNode *node, const char *name, struct kn_arena *arena,
                         struct kn_error *err)
{
    const char *text = node ? kn_xml_child_text(node, name, arena) : NULL;
    bool value = false;
    if (!text || text[0] == '\0')
        return KN_OK;
    if (!kn_parse_bool(text, &value))
        return kn_fail_as(err, KN_EINVAL, "InvalidArgument", "The value of %s should be a boolean.",
                          name);
    *out = value;
    return KN_OK;
}

/* ---- messages ---- */

// [[name, value, type], …] of every child called `item` of the child called `list`.
static json_t *properties_of(const xmlNode *message, const char *list, const char *item,
                             struct kn_arena *arena)
{
    const xmlNode *parent = kn_xml_child(message, list);
    if (!parent)
        return NULL;
    json_t *array = json_array();
    for (const xmlNode *node = parent->children; node; node = node->next) {
        if (!kn_xml_is(node, item))
            continue;
        const char *name = kn_xml_child_text(node, "Name", arena);
        const char *value = kn_xml_child_text(node, "Value", arena);
        const char *type = kn_xml_child_text(node, "Type", arena);
        (void)json_array_append_new(array, json_pack("[s,s,s]", name ? name : "",
                                                     value ? value : "", type ? type : "STRING"));
    }
    return array;
}

static kn_code properties_read(struct kn_message_send *out, const xmlNode *node,
                               struct kn_arena *arena, struct kn_error *err)
{
    json_auto_t *all = json_object();
    json_t *user = properties_of(node, "UserProperties", "PropertyValue", arena);
    json_t *system = properties_of(node, "SystemProperties", "SystemPropertyValue", arena);
    const char *group = kn_xml_child_text(node, "MessageGroupId", arena);
    if (user)
        (void)json_object_set_new(all, "UserProperties", user);
    if (system)
        (void)json_object_set_new(all, "SystemProperties", system);
    if (group)
        (void)json_object_set_new(all, "MessageGroupId", json_string(group));
    if (json_object_size(all) == 0)
        return KN_OK;
    kn_auto(kn_free) char *text = kn_json_text(all);
    out->properties = text ? kn_arena_strdup(arena, text) : NULL;
    return out->properties ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for a message");
}

kn_code kn_mns_read_message(struct kn_message_send *out, const xmlNode *node,
                            struct kn_arena *arena, struct kn_error *err)
{
    struct {
        int64_t delay_us, priority;
    } numbers = {.delay_us = -1};
    static const struct kn_mns_field fields[] = {
        {"DelaySeconds", 0, 604800, KN_SECOND, "seconds", 0},
        {"Priority", 1, 16, 1, "", sizeof(int64_t)},
    };
    kn_code rc = kn_mns_read_fields(&numbers, node, fields, KN_COUNT(fields), arena, err);
    if (rc != KN_OK)
        return rc;
    *out = (struct kn_message_send){.delay_us = numbers.delay_us,
                                    .priority = (int)numbers.priority,
                                    .body = kn_xml_child_text(node, "MessageBody", arena)};
    if (!out->body || out->body[0] == '\0')
        return kn_fail_as(err, KN_EINVAL, "InvalidArgument",
                          "The XML you provided did not validate against our published schema, cause"
                          " by MessageBody.");
    return properties_read(out, node, arena, err);
}

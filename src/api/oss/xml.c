/* SPDX-License-Identifier: GPL-3.0-or-later */
/* XML bodies of the object store (api/xml.h reads them). */
#include <string.h>

#include <libxml/tree.h>

#include "api/oss/call.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/strings.h"
#include "objects/multipart.h"

// A body whose root element is `root`.
static kn_code doc_parse(xmlDoc **out, const char *text, size_t n, const char *root,
                         struct kn_error *err)
{
    kn_code rc = kn_xml_parse(out, text, n, err);
    if (rc == KN_OK && !kn_xml_is(xmlDocGetRootElement(*out), root))
        rc = kn_xml_malformed(err, "another root element was expected");
    return rc;
}

static const char *node_text(const xmlNode *node, struct kn_arena *arena)
{
    const char *text = kn_xml_node_text(node, arena);
    return text ? text : "";
}

kn_code kn_oss_parse_delete(struct kn_oss_delete *out, const char *text, size_t n,
                            struct kn_arena *arena, struct kn_error *err)
{
    *out = (struct kn_oss_delete){0};
    kn_auto(kn_xml_free) xmlDoc *doc = NULL;
    kn_code rc = doc_parse(&doc, text, n, "Delete", err);
    if (rc != KN_OK)
        return rc;
    const xmlNode *root = xmlDocGetRootElement(doc);
    size_t n_keys = kn_xml_count(root, "Object");
    if (n_keys == 0 || n_keys > 1000)
        return kn_xml_malformed(err, "between 1 and 1000 objects are deleted at once");
    out->keys = kn_arena_array(arena, n_keys, sizeof(*out->keys));
    if (!out->keys)
        return kn_fail(err, KN_ENOMEM, "no memory for a list of keys");
    const char *quiet = kn_xml_child_text(root, "Quiet", arena);
    out->is_quiet = quiet && kn_equal_nocase(quiet, "true");
    for (const xmlNode *node = root->children; node; node = node->next) {
        if (!kn_xml_is(node, "Object"))
            continue;
        const char *key = kn_xml_child_text(node, "Key", arena);
        if (!key || key[0] == '\0')
            return kn_xml_malformed(err, "an Object without Key");
        out->keys[out->n++] = key;
    }
    return KN_OK;
}

kn_code kn_oss_parse_complete(struct kn_part **out, size_t *out_n, const char *text, size_t n,
                              struct kn_arena *arena, struct kn_error *err)
{
    kn_auto(kn_xml_free) xmlDoc *doc = NULL;
    kn_code rc = doc_parse(&doc, text, n, "CompleteMultipartUpload", err);
    if (rc != KN_OK)
        return rc;
    const xmlNode *root = xmlDocGetRootElement(doc);
    size_t n_parts = kn_xml_count(root, "Part");
    if (n_parts == 0 || n_parts > KN_MAX_PARTS)
        return kn_xml_malformed(err, "between 1 and 10000 parts are completed");
    struct kn_part *parts = kn_arena_array(arena, n_parts, sizeof(*parts));
    if (!parts)
        return kn_fail(err, KN_ENOMEM, "no memory for a list of parts");
    size_t i = 0;
    for (const xmlNode *node = root->children; node; node = node->next) {
        if (!kn_xml_is(node, "Part"))
            continue;
        const char *number = kn_xml_child_text(node, "PartNumber", arena);
        const char *etag = kn_xml_child_text(node, "ETag", arena);
        int64_t value = 0;
        if (!number || !etag || !kn_parse_int(number, 1, KN_MAX_PARTS, &value))
            return kn_xml_malformed(err, "a Part without PartNumber and ETag");
        size_t n_etag = strlen(etag);
        if (n_etag >= 2 && etag[0] == '"' && etag[n_etag - 1] == '"')
            etag = kn_arena_strndup(arena, etag + 1, n_etag - 2);
        parts[i].number = (int)value;
        kn_copy(parts[i].etag, sizeof(parts[i].etag), etag); // too long: it will not match
        i++;
    }
    *out = parts;
    *out_n = n_parts;
    return KN_OK;
}

static json_t *texts_of(const xmlNode *rule, const char *name, struct kn_arena *arena)
{
    json_t *texts = json_array();
    for (const xmlNode *node = rule->children; texts && node; node = node->next)
        if (kn_xml_is(node, name))
            (void)json_array_append_new(texts, json_string(node_text(node, arena)));
    return texts;
}

kn_code kn_oss_parse_cors(json_t **out, const char *text, size_t n, struct kn_error *err)
{
    kn_auto(kn_xml_free) xmlDoc *doc = NULL;
    kn_code rc = doc_parse(&doc, text, n, "CORSConfiguration", err);
    if (rc != KN_OK)
        return rc;
    kn_auto(kn_arena_clear) struct kn_arena arena = {0};
    json_auto_t *rules = json_array();
    const xmlNode *root = xmlDocGetRootElement(doc);
    for (const xmlNode *node = root->children; node; node = node->next) {
        if (!kn_xml_is(node, "CORSRule"))
            continue;
        static const char *const lists[] = {"AllowedOrigin", "AllowedMethod", "AllowedHeader",
                                            "ExposeHeader"};
        json_t *rule = json_object();
        (void)json_array_append_new(rules, rule);
        for (size_t i = 0; i < KN_COUNT(lists); i++)
            (void)json_object_set_new(rule, lists[i], texts_of(node, lists[i], &arena));
        const char *age = kn_xml_child_text(node, "MaxAgeSeconds", &arena);
        int64_t seconds = 0;
        if (age && !kn_parse_int(age, 0, 999999999, &seconds))
            return kn_xml_malformed(err, "MaxAgeSeconds is not a number");
        if (age)
            (void)json_object_set_new(rule, "MaxAgeSeconds", json_integer(seconds));
        if (json_array_size(json_object_get(rule, "AllowedOrigin")) == 0 ||
            json_array_size(json_object_get(rule, "AllowedMethod")) == 0)
            return kn_xml_malformed(err, "a rule needs AllowedOrigin and AllowedMethod");
    }
    size_t n_rules = json_array_size(rules);
    if (n_rules == 0 || n_rules > 10)
        return kn_xml_malformed(err, "between 1 and 10 rules");
    *out = KN_TAKE(rules);
    return KN_OK;
}

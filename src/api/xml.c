/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading XML bodies. */
#include "api/xml.h"

#include <string.h>

#include <libxml/parser.h>

#include "base/cleanup.h"
#include "base/limits.h"

void kn_xml_free(xmlDoc **doc)
{
    if (*doc)
        xmlFreeDoc(*doc);
    *doc = NULL;
}

kn_code kn_xml_malformed(struct kn_error *err, const char *what)
{
    return kn_fail_as(err, KN_EINVAL, "MalformedXML",
                      "the XML you provided was not well-formed or did not validate: %s", what);
}

kn_code kn_xml_parse(xmlDoc **out, const char *text, size_t n, struct kn_error *err)
{
    if (n > KN_MAX_XML_BYTES)
        return kn_xml_malformed(err, "too long");
    kn_auto(kn_xml_free) xmlDoc *doc = xmlReadMemory(
        text, (int)n, NULL, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (!doc)
        return kn_xml_malformed(err, "it cannot be parsed");
    if (doc->intSubset || doc->extSubset)
        return kn_xml_malformed(err, "a DTD is not accepted");
    if (!xmlDocGetRootElement(doc))
        return kn_xml_malformed(err, "there is no root element");
    *out = KN_TAKE(doc);
    return KN_OK;
}

bool kn_xml_is(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

const char *kn_xml_node_text(const xmlNode *node, struct kn_arena *arena)
{
    xmlChar *text = xmlNodeGetContent(node);
    const char *copy = kn_arena_strdup(arena, text ? (const char *)text : "");
    xmlFree(text);
    return copy;
}

const xmlNode *kn_xml_child(const xmlNode *parent, const char *name)
{
    for (const xmlNode *node = parent->children; node; node = node->next)
        if (kn_xml_is(node, name))
            return node;
    return NULL;
}

const char *kn_xml_child_text(const xmlNode *parent, const char *name, struct kn_arena *arena)
{
    const xmlNode *node = kn_xml_child(parent, name);
    return node ? kn_xml_node_text(node, arena) : NULL;
}

size_t kn_xml_count(const xmlNode *parent, const char *name)
{
    size_t n = 0;
    for (const xmlNode *node = parent->children; node; node = node->next)
        n += kn_xml_is(node, name);
    return n;
}

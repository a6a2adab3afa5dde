/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading XML answers with libxml2: small documents, so a tree of each is made and thrown away. */
#include "cli/xml.h"

#include <stdbool.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/tree.h>

#include "base/cleanup.h"

static void doc_free(xmlDoc **doc)
{
    xmlFreeDoc(*doc);
    *doc = NULL;
}

static xmlDoc *doc_read(const struct kn_buf *xml)
{
    return xmlReadMemory(kn_buf_text(xml), (int)xml->len, NULL, NULL,
                         XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
}

static bool element_is(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

char *kn_xml_member(const struct kn_buf *xml, const char *name)
{
    kn_auto(doc_free) xmlDoc *doc = doc_read(xml);
    const xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    for (const xmlNode *node = root ? root->children : NULL; node; node = node->next)
        if (element_is(node, name))
            return (char *)xmlNodeGetContent(node);
    return NULL;
}

static json_t *row_of(const xmlNode *element)
{
    json_t *row = json_object();
    for (const xmlNode *node = element->children; node; node = node->next) {
        if (node->type != XML_ELEMENT_NODE)
            continue;
        kn_auto(kn_free) char *text = (char *)xmlNodeGetContent(node);
        (void)json_object_set_new(row, (const char *)node->name, json_string(text ? text : ""));
    }
    return row;
}

// Answers are a few levels deep; libxml2 itself refuses more than 256.
static void rows_add(json_t *rows, const xmlNode *parent, const char *name)
{
    for (const xmlNode *node = parent ? parent->children : NULL; node; node = node->next) {
        if (element_is(node, name))
            (void)json_array_append_new(rows, row_of(node));
        else
            rows_add(rows, node, name);
    }
}

json_t *kn_xml_rows(const struct kn_buf *xml, const char *name)
{
    json_t *rows = json_array();
    kn_auto(doc_free) xmlDoc *doc = doc_read(xml);
    rows_add(rows, doc ? xmlDocGetRootElement(doc) : NULL, name);
    return rows;
}

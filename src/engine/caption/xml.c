/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/caption/xml.h"

#include <string.h>

#include <libxml/parser.h>

#include "base/limits.h"

// Whether "<!DOCTYPE … [" stands in it; the names of files in it are quoted.
static bool has_declarations(const char *text, size_t n)
{
    static const char word[] = "<!DOCTYPE";
    const char *end = text + n;
    for (const char *at = text; (at = memmem(at, (size_t)(end - at), word, sizeof(word) - 1));) {
        char quote = '\0';
        for (; at < end && (quote || *at != '>'); at++) {
            if (!quote && *at == '[')
                return true;
            if (*at == '"' || *at == '\'')
                quote = !quote ? *at : *at == quote ? '\0' : quote;
        }
    }
    return false;
}

kn_code kn_caption_xml(xmlDoc **out_doc, const char *text, size_t n, struct kn_error *err)
{
    *out_doc = NULL;
    if (n > KN_MAX_CAPTION_TREE_BYTES)
        return kn_fail(err, KN_ELIMIT, "more than %d MiB of captions in XML", KN_MAX_CAPTION_TREE_BYTES >> 20);
    if (has_declarations(text, n))
        return kn_fail(err, KN_EMEDIA, "a document type that declares entities or attributes");
    // No network; libxml2's own bounds on depth and on the size of one text are in force.
    xmlDoc *doc = xmlReadMemory(text, (int)n, "captions.xml", "UTF-8",
                                XML_PARSE_NONET | XML_PARSE_RECOVER | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                                    XML_PARSE_BIG_LINES);
    if (!doc || !xmlDocGetRootElement(doc)) {
        if (doc)
            xmlFreeDoc(doc);
        return kn_fail(err, KN_EMEDIA, "no XML in it");
    }
    *out_doc = doc;
    return KN_OK;
}

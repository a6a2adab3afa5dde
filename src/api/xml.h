#pragma once
/*
 * Reading the XML bodies of the OSS and MNS dialects, by libxml2 with everything switched off that
 * reaches out: no network, no external or internal entities (a body with a DTD is refused), no recovery. Element names are compared without their namespace: some clients give one, some none.
 */
#include <stdbool.h>
#include <stddef.h>

#include <libxml/tree.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/xml.h"

void kn_xml_free(xmlDoc **doc);
/* Reason "MalformedXML". At most KN_MAX_XML_BYTES. */
kn_code kn_xml_parse(xmlDoc **out, const char *text, size_t n, struct kn_error *err);
kn_code kn_xml_malformed(struct kn_error *err, const char *what);
bool kn_xml_is(const xmlNode *node, const char *name);
/* The text inside an element, in the arena; "" when it has none, NULL without memory. */
const char *kn_xml_node_text(const xmlNode *node, struct kn_arena *arena);
/* That of the first child of this name; NULL when there is none. */
const char *kn_xml_child_text(const xmlNode *parent, const char *name, struct kn_arena *arena);
/* The first child of this name, NULL when there is none. */
const xmlNode *kn_xml_child(const xmlNode *parent, const char *name);
size_t kn_xml_count(const xmlNode *parent, const char *name);

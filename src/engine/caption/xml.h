#pragma once
/* Caption documents in XML (TTML, USF): read as a tree, without anything that makes one grow. */
#include <stddef.h>

#include <libxml/tree.h>

#include "base/error.h"

/*
 * UTF-8 text as a tree, with what is not well formed left out; the caller frees it.
 *
 * KN_EMEDIA  no XML, or a document type that declares things: entities within entities, or attributes
 *            that each element gets, make gigabytes of a page (one that only names a file is not read)
 * KN_ELIMIT  more than KN_MAX_CAPTION_TREE_BYTES
 */
kn_code kn_caption_xml(xmlDoc **out_doc, const char *text, size_t n, struct kn_error *err);

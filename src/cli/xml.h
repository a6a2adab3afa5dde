#pragma once
/* Reading the object store's answers, which are XML (spec 09). */
#include <jansson.h>

#include "base/buf.h"

/* The text of an element directly below the root, malloc'd; NULL when absent or no XML. */
char *kn_xml_member(const struct kn_buf *xml, const char *name);

/*
 * Every element called `name`, however deep, as an object of its own members' texts:
 * <Part><Size>5</Size></Part> is {"Size": "5"}. A new reference; empty when there is none.
 */
json_t *kn_xml_rows(const struct kn_buf *xml, const char *name);

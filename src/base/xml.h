#pragma once
/* Writing XML. Control characters, which XML 1.0 cannot hold, become '?'. */
#include <stdint.h>

#include "base/buf.h"

void kn_xml_text(struct kn_buf *out, const char *text);              // escaped
void kn_xml(struct kn_buf *out, const char *name, const char *text); // <name>text</name>
void kn_xml_int(struct kn_buf *out, const char *name, int64_t value);

#pragma once
/* Writing XML. What XML 1.0 cannot hold becomes '?': control characters, bytes of a text that is not UTF-8. */
#include <stdint.h>

#include "base/buf.h"

void kn_xml_text(struct kn_buf *out, const char *text);              // escaped
void kn_xml(struct kn_buf *out, const char *name, const char *text); // <name>text</name>
void kn_xml_int(struct kn_buf *out, const char *name, int64_t value);

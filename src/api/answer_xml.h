#pragma once
/*
 * Answers in XML (spec 01, 8.2), for callers in signature form V1 that ask for it.
 */
#include <jansson.h>

#include "base/buf.h"

/*
 * <{action}Response> with RequestId first and an element per member: objects nest, an array repeats
 * its member's element. So {"JobList":{"Job":[…]}} gives <JobList><Job/><Job/></JobList>.
 */
void kn_answer_xml(struct kn_buf *out, const char *action, const json_t *answer);
/* <Error> with a child per member; "Recommend" is CDATA, as the vendor writes it. */
void kn_error_xml(struct kn_buf *out, const json_t *error);

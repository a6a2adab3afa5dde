#pragma once
/*
 * AWS Signature Version 4, for requests that we send and those that we verify. OSS V4 derives its key
 * by the same chain under other words.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/*
 * The signing key: HMAC-SHA256 over each word of `scope` ("20261120/us-east-1/s3/aws4_request"), from
 * prefix + secret ("AWS4", or "aliyun_v4").
 */
void kn_sigv4_key(uint8_t out[32], const char *prefix, const char *secret, const char *scope);

struct kn_sigv4_header {
    const char *name; // lower case
    const char *value;
};

struct kn_sigv4_request {
    const char *method;
    const char *path;          // encoded, as it will be sent
    const char *query;         // encoded and sorted, "name=" for empty values; "" when none
    const struct kn_sigv4_header *headers; // to be signed, sorted by name; host among them
    size_t n_headers;
    const char *payload_sha256; // hex, or "UNSIGNED-PAYLOAD"
    const char *region, *service;
    const char *key_id, *secret;
    const char *date;          // "20261120T155904Z", also among the headers
};
/* Append "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…". */
void kn_sigv4_authorization(struct kn_buf *out, const struct kn_sigv4_request *request);

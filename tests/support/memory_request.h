#pragma once
/*
 * A request that came from nowhere: the request half of http/server.h over a text in memory, for
 * tests that want a dialect's handlers without sockets, threads or time. Link it instead of the
 * server's own: everything runs at once, in the caller's thread.
 *
 *     POST /bucket/key?acl\n
 *     Name: value\n
 *     \n
 *     the body
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "http/server.h"

struct kn_http_field {
    const char *name, *value;
};

struct kn_http_request {
    struct kn_arena arena; // owned
    const char *method, *target, *path, *query;
    struct kn_http_field *fields; // in the arena
    size_t n_fields;
    struct kn_buf body;        // owned
    size_t body_read;
    size_t piece;              // how much of the body one read gives; 0: all that is asked for
    bool is_collected;
    // the reply
    int status;                // 0: none yet
    struct kn_buf answer;      // owned: its body
    struct kn_buf answer_headers; // owned
    bool is_started, is_over;
};

/*
 * Read a request from a text. False when the text is none that the HTTP layer would let through
 * (control characters, an empty target, no memory). Clear it in both cases.
 */
bool memory_request_parse(struct kn_http_request *request, const void *bytes, size_t n);
void memory_request_clear(struct kn_http_request *request);
/* Replace a header's value, or add the header; borrowed. */
void memory_request_set_header(struct kn_http_request *request, const char *name,
                               const char *value);

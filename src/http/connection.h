#pragma once
/*
 * Connections: reading requests off a wire with http-parser, one after the other, and ending well:
 * keep-alive, pipelining, timeouts, refusals in the listener's dialect, a lingering close so that a
 * client still sending can read why it was refused.
 *
 * Thread-safety: a connection belongs to its loop's thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include <http_parser.h>

#include "base/buf.h"
#include "http/loop.h"
#include "http/request.h"
#include "http/wire.h"

struct kn_http_conn {
    struct kn_http_conn *next, **prev; // in loop->conns
    struct kn_http_loop *loop;         // borrowed
    const struct kn_http_place *place; // borrowed
    char peer[46];
    struct kn_http_wire wire;
    http_parser parser;
    struct kn_http_request *request; // the current one; shared with the application
    struct kn_http_request *spare;   // owned: for the next
    struct kn_buf stash;             // owned: bytes that came before their time
    bool is_busy;      // inside the parser or advance(): replies go straight to the wire
    bool is_eof;       // the client sends no more
    bool is_closing;   // no more requests; closes when all has left
    bool is_lingering; // our side is shut, reading to the client's end
    bool is_dying;
    bool has_left_body; // the client may still be sending a body nobody wants
    int refuse_status;  // set inside the parser's callbacks
    const char *refuse_message;
    int64_t input_us;   // kn_mono_us() when bytes last came, or a reply was done
    int64_t head_us;    // when the head began to come
    size_t charged_bytes; // our part of shared->buffered_bytes
};

/* Take over what was accepted: arrival->fd. */
void kn_http_conn_open(struct kn_http_loop *loop, const struct kn_http_arrival *arrival);
/* Go on after news: replies to send, room to read, requests to parse. May free `conn`. */
void kn_http_conn_advance(struct kn_http_conn *conn);
/* Start the collecting that kn_http_collect() describes in the request; from its handler. */
void kn_http_conn_collect(struct kn_http_request *request);
/* Whether a reply made by the calling thread may go straight to the wire. */
bool kn_http_conn_is_direct(const struct kn_http_request *request);

/* ---- all of a loop ---- */

void kn_http_conns_check(struct kn_http_loop *loop); // deadlines
void kn_http_conns_drain(struct kn_http_loop *loop, bool at_once);

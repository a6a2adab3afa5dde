#pragma once
/*
 * A wire: one accepted socket, plain or TLS, seen alike from above. Bytes to send are appended to
 * `out`; a file may follow them. Plain sockets are written at once and use sendfile(); TLS goes
 * through libevent's bufferevent.
 *
 * Thread-safety: a wire belongs to its loop's thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <openssl/ssl.h>

struct bufferevent;

// What kn_http_wire_read() and kn_http_wire_flush() answer besides a count.
enum { KN_WIRE_WAIT = -1, KN_WIRE_GONE = -2 };

struct kn_http_wire {
    int fd;                    // owned
    struct bufferevent *tls;   // owned; NULL for plain sockets
    struct event *input;       // owned; plain only
    struct event *output;      // owned; plain only
    struct evbuffer *out;      // owned when plain, the bufferevent's otherwise
    bool is_reading;
    bool awaits_output;        // the write event is armed
    bool is_eof, is_gone;      // TLS: what its event callback saw
    int file_fd;               // owned; -1 when no file is being sent
    int64_t file_offset, file_left;
    int64_t progress_us;       // kn_mono_us() when bytes last left
    void (*on_input)(void *context);
    void (*on_output)(void *context); // room to send more
    void *context;
};

/*
 * Take over `fd` (non-blocking). Set on_input, on_output and context before. With `tls` the
 * handshake starts. False without memory; then fd is closed.
 */
bool kn_http_wire_open(struct kn_http_wire *wire, struct event_base *base, int fd, SSL_CTX *tls);
void kn_http_wire_close(struct kn_http_wire *wire);

/* Up to n bytes; 0 at the end, KN_WIRE_WAIT when there are none now, KN_WIRE_GONE. */
ssize_t kn_http_wire_read(struct kn_http_wire *wire, void *out, size_t n);
void kn_http_wire_set_reading(struct kn_http_wire *wire, bool is_on);

/* After what is in `out`, send `length` bytes of a file; fd is taken over. */
void kn_http_wire_send_file(struct kn_http_wire *wire, int fd, int64_t offset, int64_t length);
/* Send what can be sent now. 0: everything has left; KN_WIRE_WAIT: on_output will come. */
int kn_http_wire_flush(struct kn_http_wire *wire);
/* Bytes that have not left yet, files included. */
int64_t kn_http_wire_queued(const struct kn_http_wire *wire);
/* Say that no more will be sent; reading goes on. */
void kn_http_wire_shut_output(struct kn_http_wire *wire);

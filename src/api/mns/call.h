#pragma once
/*
 * One request of the MNS dialect on its way: what it addresses, who sent it, how to answer it.
 *
 * An operation returns KN_OK after it has replied or asked to wait; otherwise it has done neither, and
 * the error's reason is the wire Code (reply.c has the table). A call is on the heap, for a long poll
 * outlives its thread; it belongs to the one thread that serves it.
 */
#include <pthread.h>

#include "access/access.h"
#include "api/mns/mns.h"
#include "api/pairs.h"
#include "api/xml.h"
#include "base/arena.h"
#include "base/buf.h"
#include "queues/queues.h"

#define KN_MNS_NAMESPACE "http://mns.aliyuncs.com/doc/v1/"
#define KN_MNS_VERSION "2015-06-06"

struct kn_mns_call;
struct kn_metric;
#define KN_MNS_MAX_OPERATIONS 24

struct kn_mns {
    struct kn_mns_config config; // its strings owned, in the arena
    struct kn_arena arena;
    struct kn_metric *counters[KN_MNS_MAX_OPERATIONS + 1][2]; // by operation: answered, refused
    pthread_mutex_t lock;
    // --- protected by lock
    struct kn_mns_call *parked; // owned: calls that wait
};

struct kn_mns_call {
    struct kn_mns *mns;              // borrowed
    struct kn_http_request *request; // borrowed until the reply
    struct kn_arena arena;           // owned
    char request_id[25];
    const char *method;
    const char *path;                // one slash at its start, still encoded
    const char *kind;                // "queues", "topics", ""
    const char *name;                // of the queue or topic; NULL: all of them
    const char *part;                // "messages", "subscriptions"; NULL: itself
    const char *part_name;           // of the subscription; NULL: all of them
    struct kn_pair *params;
    size_t n_params;
    struct kn_key who;
    size_t operation;                // its place in the table
    // long polls
    bool wants_wait;                 // the operation asks to be run again later
    unsigned ticket;
    int64_t deadline_us;             // monotonic; 0: not known yet
    int n_looks;
    struct kn_mns_call *previous, *next; // among the parked
};

/* ---- what the request says ---- */

/* The value of a query parameter, its name in any case; NULL when absent. */
const char *kn_mns_param(const struct kn_mns_call *call, const char *name);
/* A whole number in [min, max]; `otherwise` when absent. Reason InvalidArgument. */
kn_code kn_mns_param_int(const struct kn_mns_call *call, const char *name, int64_t min, int64_t max,
                         int64_t otherwise, int64_t *out, struct kn_error *err);
/* x-mns-marker, x-mns-ret-number, x-mns-prefix. */
kn_code kn_mns_page(const struct kn_mns_call *call, struct kn_name_page *out, struct kn_error *err);
int64_t kn_mns_now(const struct kn_mns *mns);

/* ---- auth.c ---- */

/* Verify version, date, body digest and signature, and fill call->who. */
kn_code kn_mns_authenticate(struct kn_mns_call *call, struct kn_error *err);

/* ---- body.c ---- */

/* The body's root element, which must be called `root`; *out_root NULL when there is no body. */
kn_code kn_mns_body(struct kn_mns_call *call, const char *root, xmlDoc **out_doc,
                    const xmlNode **out_root, struct kn_error *err);

/* A number a client may set, as a field of a struct. */
struct kn_mns_field {
    const char *name;   // DelaySeconds
    int64_t min, max;
    int64_t scale;      // of the wire's unit in ours
    const char *unit;   // for the refusal: seconds, bytes
    size_t offset;      // of an int64_t
};
/* Those that `node` names, into `record`. Reason InvalidArgument. */
kn_code kn_mns_read_fields(void *record, const xmlNode *node, const struct kn_mns_field *fields,
                           size_t n, struct kn_arena *arena, struct kn_error *err);
/* A boolean of the wire; *out untouched when absent. */
kn_code kn_mns_read_flag(int *out, const xmlNode *node, const char *name, struct kn_arena *arena,
                         struct kn_error *err);
struct kn_message_send;
/* A <Message>: body, delay, priority, properties. */
kn_code kn_mns_read_message(struct kn_message_send *out, const xmlNode *node,
                            struct kn_arena *arena, struct kn_error *err);

/* ---- reply.c ---- */

/* "<?xml …?><root xmlns=…>" */
void kn_mns_xml_open(struct kn_buf *out, const char *root);
/* <name>base/kind/what</name>: where something is found. */
void kn_mns_xml_url(struct kn_buf *out, const struct kn_mns_call *call, const char *name,
                    const char *path);
/* Member by member what kn_mns_read_message() made of UserProperties and the like. */
void kn_mns_xml_properties(struct kn_buf *out, const char *properties);
kn_code kn_mns_reply_xml(struct kn_mns_call *call, int status, struct kn_buf *xml,
                         struct kn_error *err);
kn_code kn_mns_reply_empty(struct kn_mns_call *call, int status);
/* 201 with Location, or 204 when it was there already. */
kn_code kn_mns_reply_created(struct kn_mns_call *call, bool is_new);
void kn_mns_reply_error(struct kn_mns_call *call, const struct kn_error *err);

/* ---- operations; queue.c, message.c, topic.c ---- */

kn_code kn_mns_list_queue(struct kn_mns_call *call, struct kn_error *err);
kn_code kn_mns_put_queue(struct kn_mns_call *call, struct kn_error *err);
kn_code kn_mns_get_queue(struct kn_mns_call *call, struct kn_error *err);
kn_code kn_mns_delete_queue(struct kn_mns_call *call, struct kn_error *err);
kn_code kn_mns_send(struct kn_mns_call *call, struct kn_error *err);
kn_code kn_mns_receive(struct kn_mns_call *call, struct kn_error *err);
kn_code kn_mns_peek(struct kn_mns_call *call, struct kn_error *err);
kn_code kn_mns_hide(struct kn_mns_call *call, struct kn_error *err);
kn_code kn_mns_delete(struct kn_mns_call *call, struct kn_error *err);
kn_code kn_mns_list_topic(struct kn_mns_call *call, struct kn_error *err);
kn_code kn_mns_put_topic(struct kn_mns_call *call, struct kn_error *err);
kn_code kn_mns_get_topic(struct kn_mns_call *call, struct kn_error *err);
kn_code kn_mns_delete_topic(struct kn_mns_call *call, struct kn_error *err);
kn_code kn_mns_publish(struct kn_mns_call *call, struct kn_error *err);
kn_code kn_mns_list_subscription(struct kn_mns_call *call, struct kn_error *err);
kn_code kn_mns_put_subscription(struct kn_mns_call *call, struct kn_error *err);
kn_code kn_mns_get_subscription(struct kn_mns_call *call, struct kn_error *err);
kn_code kn_mns_unsubscribe(struct kn_mns_call *call, struct kn_error *err);

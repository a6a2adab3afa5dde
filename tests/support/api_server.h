#pragma once
/*
 * A whole API server in the test's process: database, keys, jobs, buckets and the RPC front on a free
 * port; and a client with a signer of its own, written from spec 01 and sharing nothing with src/api.
 * Every reply is checked against spec/ before the test sees it.
 */
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "access/access.h"
#include "api/api.h"
#include "events/compose.h"
#include "http/client.h"
#include "http/server.h"
#include "jobs/jobs.h"
#include "objects/store.h"

struct api_server {
    struct kn_db *db;
    struct kn_access *access;
    struct kn_jobs *jobs;
    struct kn_store *store;
    struct kn_api *api;
    struct kn_http_server *http;
    struct kn_http_client *client;
    struct kn_key admin;
    char url[300], beside_url[300];
    char host[300]; // of url
};
/* What a test may bend of the server; zero means the default. */
struct api_limits {
    int n_pool, max_waiting_per_key;
    int64_t max_queued_jobs;
    const struct kn_http_listener *beside; // another listener on the same threads, at beside_url
};
void api_server_start_limited(struct api_server *server, const struct api_limits *limits);
void api_server_start(struct api_server *server); // the database is test_database_url()'s
/* Jobs are announced and counted as serve.c has it; `source` is borrowed until the server stops. */
void api_server_tell(struct api_server *server, struct kn_event_source *source);
void api_server_stop(struct api_server *server);

enum api_form {
    API_ACS3 = 0, // parameters in the query, empty body, POST
    API_ACS3_FORM, // parameters in a form body
    API_ACS3_JSON, // parameters in a JSON body
    API_V1,        // all in the query, GET
    API_V1_FORM,   // all in a form body, POST
};

/* What a test may bend; zero means "as a good client does". */
struct api_request {
    enum api_form form;
    const char *version;       // NULL: ICE
    const char *action;
    const json_t *params;      // text values; borrowed; NULL: none
    const struct kn_key *key;  // NULL: the server's admin key
    const char *token;         // security token
    const char *format;        // V1: Format; NULL: JSON
    const char *nonce;         // NULL: fresh
    const char *time;          // NULL: now
    const char *method;        // NULL: the form's
    const char *without;       // leave out this system parameter or header
    const char *also;          // V1: one more "name=value", signed; ACS3: one more header, unsigned
    bool is_tampered;          // change a parameter after signing
};

struct api_reply {
    int status;
    json_t *json; // owned; NULL when the body is not JSON
    char *body;   // owned
    char content_type[128];
    char retry_after[16];
};
void api_reply_clear(struct api_reply *reply);

/* Send; a JSON body has been checked with spec_check.h when this returns. */
void api_send(const struct api_server *server, struct api_reply *reply,
              const struct api_request *request);

/* A member of an answer, which must be there; its text, "" when it is none or absent; its number. */
const json_t *reply_at(const json_t *json, const char *name);
const char *reply_text(const json_t *json, const char *name);
int64_t reply_number(const json_t *json, const char *name);

/*
 * The short way: `params` is a printf format of "Name=value&Name=value" whose values are taken as they
 * stand. Fails the test unless the call succeeds; a new reference.
 */
json_t *api_call(const struct api_server *server, const char *action, const char *params, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a call that must be refused with this status and Code; its Message, malloc'd. */
char *api_refused(const struct api_server *server, int status, const char *code,
                  const char *action, const char *params, ...)
    __attribute__((format(printf, 5, 6)));

/* "A=1&B=2" as an object, values verbatim up to the next "&Name=". A new reference. */
json_t *api_params(const char *text);

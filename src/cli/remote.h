#pragma once
/*
 * A running service, seen from the command line: where it is, with which key, and calls to it.
 *
 * An address comes from its flag, else from the environment (KINORA_API, KINORA_OSS), else from the
 * file `endpoints` that `kinora serve` leaves in its data folder; the key from KINORA_ACCESS_KEY_ID and
 * KINORA_ACCESS_KEY_SECRET, else from the file `credentials` there. The folder is --data, else
 * KINORA_DATA, else ./kinora-data.
 */
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/error.h"
#include "cli/options.h"
#include "http/client.h"

#define KN_VERSION_ICE "2020-11-09"
#define KN_VERSION_KINORA "2026-01-01"

/* What every command that talks to a service takes. */
struct kn_remote_flags {
    const char *api, *oss, *data; // NULL: not given
    bool as_json, help;
};
#define KN_REMOTE_OPTIONS(flags)                                                                   \
    {"api", &(flags).api, NULL}, {"oss", &(flags).oss, NULL}, {"data", &(flags).data, NULL},       \
        {"json", NULL, &(flags).as_json}, {"help", NULL, &(flags).help}

struct kn_remote {
    struct kn_http_client *client; // owned
    char api[512], oss[512];       // URLs without a '/' at the end; "" when unknown
    char key_id[128], key_secret[128];
    bool as_json;
};

/* KN_ENOTFOUND, reason "NoService" or "NoKey", when nothing says where or who. */
kn_code kn_remote_open(struct kn_remote *remote, const struct kn_remote_flags *flags,
                       struct kn_error *err);
void kn_remote_close(struct kn_remote *remote);

/*
 * Call an operation of the RPC API. `params` holds texts; *out_answer is a new reference. A wire error
 * becomes "Code: Message" with Code as the reason; KN_EIO, reason "Unreachable", when nobody answers.
 */
kn_code kn_remote_call(struct kn_remote *remote, const char *version, const char *action,
                       const json_t *params, json_t **out_answer, struct kn_error *err);

/* ---- objects ---- */

/* A request to the object store. The exchange's other fields (body, read, write) are the caller's. */
struct kn_remote_object {
    const char *method;
    const char *bucket;       // NULL: the service
    const char *key;          // NULL: the bucket
    const char *subresources; // signed: "partNumber=1&uploadId=…", in order; NULL: none
    const char *query;        // not signed: "prefix=…", encoded; NULL: none
    const char *content_type; // NULL: none
    const char *copy_source;  // "/bucket/key" encoded; NULL: none
    const char *range;        // "bytes=100-"; NULL: all
};
/* Send it signed; statuses from 300 on become errors as of kn_remote_call(). Clear the exchange. */
kn_code kn_remote_object(struct kn_remote *remote, const struct kn_remote_object *object,
                         struct kn_http_exchange *exchange, struct kn_error *err);

/* ---- commands that are made of verbs ---- */

struct kn_verb {
    const char *name;       // "list"; NULL: the command has no verbs
    int n_min, n_max;       // of arguments after the verb
    const char *arguments;  // what they are, for the complaint: "ID"
    kn_code (*run)(struct kn_remote *remote, int n, char **arguments, void *context,
                   struct kn_error *err);
};
struct kn_verbs {
    const char *command;
    const char *help;
    const struct kn_option *options;     // with KN_REMOTE_OPTIONS(*flags) among them
    const struct kn_remote_flags *flags;
    const struct kn_verb *verbs;         // ended by a NULL run
    void *context;                       // the verb's: where the options lie
    bool opens_itself;                   // the verb opens the service, when it needs it at all
};
/* Read the options, find the verb, open the service, run; answers the exit status. */
int kn_verbs_run(const struct kn_verbs *verbs, int argc, char **argv);

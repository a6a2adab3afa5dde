#pragma once
/*
 * One request of the OSS dialect on its way: what it addresses, who sent it, how to answer it.
 *
 * An operation returns KN_OK after it has replied; otherwise it has not, and the error's reason is
 * the wire Code (reply.c has the table). Everything here belongs to the pool thread that serves it.
 */
#include "api/oss/oss.h"
#include "api/pairs.h"
#include "api/xml.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/digest.h"

struct kn_oss {
    struct kn_oss_config config; // its strings owned, in the arena
    struct kn_arena arena;
};

enum kn_oss_dialect {
    KN_OSS_ANONYMOUS = 0,
    KN_OSS_V1,
    KN_OSS_V4,
    KN_OSS_S3, // SigV4: answers differ a little (spec 09, section 7)
};

struct kn_oss_call {
    struct kn_oss *oss;               // borrowed
    struct kn_http_request *request;  // borrowed until the reply
    struct kn_arena arena;            // owned
    char request_id[25];
    const char *method;
    const char *bucket;               // NULL: the service itself
    const char *key;                  // "" : the bucket itself
    const char *other_bucket, *other_key; // the second reading of an ambiguous address, or NULL
    struct kn_pair *params;
    size_t n_params;
    enum kn_oss_dialect dialect;
    bool is_url_signed;
    struct kn_key who;                // set unless anonymous
    struct kn_buf extra;              // XML members added to an error answer
    int64_t bytes_in, bytes_out;
    bool is_write;
};

/* ---- what the request says ---- */

/* The value of a query parameter, NULL when absent. */
const char *kn_oss_param(const struct kn_oss_call *call, const char *name);
/* A whole number in [min, max]; `otherwise` when absent. Reason InvalidArgument. */
kn_code kn_oss_param_int(const struct kn_oss_call *call, const char *name, int64_t min, int64_t max,
                         int64_t otherwise, int64_t *out, struct kn_error *err);
/* Header "x-oss-<name>", or "x-amz-<name>"; NULL when neither. */
const char *kn_oss_header(const struct kn_oss_call *call, const char *name);
int64_t kn_oss_now(const struct kn_oss *oss);

/* ---- auth.c ---- */

/* Whether a key may still be used, and with this token. */
kn_code kn_oss_key_check(struct kn_oss_call *call, const struct kn_key *key, const char *token,
                         struct kn_error *err);
/* Verify the signature, if any, and fill dialect and who. */
kn_code kn_oss_authenticate(struct kn_oss_call *call, struct kn_error *err);
/*
 * Whether the caller may do this to call->bucket / key: by its key's role and prefix, else by ACL.
 * `object_acl` NULL or "default": the bucket's counts.
 */
kn_code kn_oss_allow(struct kn_oss_call *call, const char *bucket, const char *key, bool is_write,
                     const char *object_acl, struct kn_error *err);
/* Only signed requests with this role. */
kn_code kn_oss_need_role(struct kn_oss_call *call, enum kn_role role, struct kn_error *err);

/* ---- body.c ---- */

/* The object's bytes as they arrive: aws-chunked framing taken off, announced SHA-256 checked. */
struct kn_oss_body {
    struct kn_oss_call *call;  // borrowed
    bool is_aws_chunked, is_over;
    int64_t chunk_left;
    struct kn_buf raw;
    struct kn_digest *sha256;  // owned; NULL when nothing is to be checked
    char expected[65];
};
kn_code kn_oss_body_start(struct kn_oss_body *body, struct kn_oss_call *call, struct kn_error *err);
kn_code kn_oss_body_read(struct kn_oss_body *body, void *out, size_t n, size_t *out_got,
                         struct kn_error *err);
void kn_oss_body_clear(struct kn_oss_body *body);
/* All of it into a writer; at most KN_MAX_PUT_BYTES (EntityTooLarge). */
kn_code kn_oss_body_store(struct kn_oss_call *call, struct kn_object_writer *writer,
                          struct kn_error *err);
/* All of it into `out`, at most `limit` bytes (MalformedXML beyond). */
kn_code kn_oss_body_text(struct kn_oss_call *call, struct kn_buf *out, size_t limit,
                         struct kn_error *err);

/* ---- reply.c ---- */

void kn_oss_xml_time(struct kn_buf *out, const char *name, int64_t us);
void kn_oss_xml_owner(struct kn_buf *out, const struct kn_oss_call *call);
/* <name>"ETAG"</name> as the dialect spells it. */
void kn_oss_xml_etag(struct kn_buf *out, const struct kn_oss_call *call, const char *etag);
/* Where the object of this call is found. */
void kn_oss_xml_location(struct kn_buf *out, const struct kn_oss_call *call);
/* "<?xml …?><root>" with the dialect's namespace. */
void kn_oss_xml_open(struct kn_buf *out, const struct kn_oss_call *call, const char *root);
kn_code kn_oss_reply_xml(struct kn_oss_call *call, int status, struct kn_buf *xml,
                         struct kn_error *err);
kn_code kn_oss_reply_empty(struct kn_oss_call *call, int status);
void kn_oss_reply_error(struct kn_oss_call *call, const struct kn_error *err);
void kn_oss_set_common(struct kn_oss_call *call);
void kn_oss_set_etag(struct kn_oss_call *call, const char *etag);
/* Code and status of an error (for answers that carry several). */
int kn_oss_status(const struct kn_error *err, const char **out_code);

/* ---- operations; bucket.c, list.c, object.c, get.c, upload.c, form.c, cors.c ---- */

kn_code kn_oss_service(struct kn_oss_call *call, struct kn_error *err);
kn_code kn_oss_bucket(struct kn_oss_call *call, struct kn_error *err);
kn_code kn_oss_list_objects(struct kn_oss_call *call, struct kn_error *err);
kn_code kn_oss_list_uploads(struct kn_oss_call *call, struct kn_error *err);
kn_code kn_oss_delete_many(struct kn_oss_call *call, struct kn_error *err);
kn_code kn_oss_object(struct kn_oss_call *call, struct kn_error *err);
kn_code kn_oss_get(struct kn_oss_call *call, struct kn_error *err); // and HEAD
kn_code kn_oss_upload(struct kn_oss_call *call, struct kn_error *err);
kn_code kn_oss_form_post(struct kn_oss_call *call, struct kn_error *err);
kn_code kn_oss_bucket_cors(struct kn_oss_call *call, struct kn_error *err);
/* Answer a preflight. */
kn_code kn_oss_preflight(struct kn_oss_call *call, struct kn_error *err);
/* Headers that let a browser's script read the answer, when a rule of the bucket allows its origin. */
void kn_oss_set_cors(struct kn_oss_call *call);

/* What a write request says of the object: type, ACL, meta headers, forbid-overwrite, MD5. */
kn_code kn_oss_put_options(struct kn_oss_call *call, struct kn_put_options *out, json_t **out_meta,
                           struct kn_error *err);
/* An object ACL of the wire, or NULL. Reason InvalidArgument. */
kn_code kn_oss_acl_check(const char *acl, struct kn_error *err);
/* x-oss-copy-source, split. *out_bucket NULL when the header is absent. */
kn_code kn_oss_copy_source(struct kn_oss_call *call, const char **out_bucket, const char **out_key,
                           struct kn_error *err);

/* ---- xml.c: bodies, parsed without network, entities or DTD ---- */

struct kn_oss_delete {
    bool is_quiet;
    const char **keys; // in the arena
    size_t n;
};
kn_code kn_oss_parse_delete(struct kn_oss_delete *out, const char *text, size_t n,
                            struct kn_arena *arena, struct kn_error *err);
struct kn_part;
kn_code kn_oss_parse_complete(struct kn_part **out, size_t *out_n, const char *text, size_t n,
                              struct kn_arena *arena, struct kn_error *err);
/* Rules as the JSON array struct kn_bucket keeps; a new reference. */
kn_code kn_oss_parse_cors(json_t **out, const char *text, size_t n, struct kn_error *err);

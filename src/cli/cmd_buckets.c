/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kinora buckets: the buckets of a running service. */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/uri.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/remote.h"
#include "cli/table.h"
#include "cli/xml.h"

static kn_code buckets_list(struct kn_remote *remote, int n, char **arguments, void *context,
                            struct kn_error *err)
{
    (void)n;
    (void)arguments;
    (void)context;
    static const struct kn_column columns[] = {
        {"BUCKET", "Name"}, {"CREATED", "CreationDate"}, {"REGION", "Region"}, {NULL, NULL}};
    kn_auto(kn_http_exchange_clear) struct kn_http_exchange exchange = {0};
    kn_code rc = kn_remote_object(
        remote, &(struct kn_remote_object){.method = "GET", .query = "max-keys=1000"}, &exchange,
        err);
    if (rc != KN_OK)
        return rc;
    // ListAllMyBucketsResult (spec 09, section 4)
    json_auto_t *buckets = kn_xml_rows(&exchange.answer, "Bucket");
    if (remote->as_json)
        kn_cli_print_json(buckets);
    else
        kn_table_print(buckets, columns, "buckets");
    return KN_OK;
}

static kn_code bucket_change(struct kn_remote *remote, const char *method, const char *bucket,
                             const char *done, struct kn_error *err)
{
    if (!kn_uri_bucket_is_valid(bucket))
        return kn_fail(err, KN_EINVAL,
                       "'%s' is no bucket's name: 3 to 63 of a-z, 0-9 and '-', no '-' at the ends",
                       bucket);
    kn_auto(kn_http_exchange_clear) struct kn_http_exchange exchange = {0};
    kn_code rc = kn_remote_object(
        remote, &(struct kn_remote_object){.method = method, .bucket = bucket}, &exchange, err);
    if (rc != KN_OK)
        return rc;
    if (remote->as_json) {
        json_auto_t *said = json_pack("{s:s, s:b}", "Name", bucket, "Success", 1);
        kn_cli_print_json(said);
    } else {
        (void)printf("%s %s\n", done, bucket);
    }
    return KN_OK;
}

static kn_code buckets_create(struct kn_remote *remote, int n, char **arguments, void *context,
                              struct kn_error *err)
{
    (void)n;
    (void)context;
    return bucket_change(remote, "PUT", arguments[0], "created", err);
}

static kn_code buckets_delete(struct kn_remote *remote, int n, char **arguments, void *context,
                              struct kn_error *err)
{
    (void)n;
    (void)context;
    return bucket_change(remote, "DELETE", arguments[0], "deleted", err);
}

int kn_cmd_buckets(int argc, char **argv)
{
    struct kn_remote_flags flags = {0};
    const struct kn_option table[] = {KN_REMOTE_OPTIONS(flags), {NULL, NULL, NULL}};
    static const struct kn_verb verbs[] = {
        {"list", 0, 0, "no argument", buckets_list},
        {"create", 1, 1, "a bucket's name", buckets_create},
        {"delete", 1, 1, "a bucket's name", buckets_delete},
        {NULL, 0, 0, NULL, NULL},
    };
    const struct kn_verbs command = {
        .command = "buckets",
        .help = "usage: kinora buckets list\n"
                "       kinora buckets create|delete NAME\n\n"
                "The buckets of a running service. Only an empty one can be deleted.\n\n"
                "examples\n"
                "  kinora buckets create films\n"
                "  kinora buckets list --json\n",
        .options = table,
        .flags = &flags,
        .verbs = verbs,
        .context = NULL,
    };
    return kn_verbs_run(&command, argc, argv);
}

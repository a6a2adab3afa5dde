/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kinora call: any operation of the API, as it is. */
#include <string.h>

#include "api/operation.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/strings.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/remote.h"

#define MAX_PARAMETERS 200
#define MAX_VALUE_BYTES (1024 * 1024) // what a request may carry in all

struct call_options {
    struct kn_remote_flags flags;
    const char *product;
};

static const char *version_of(const char *product)
{
    for (size_t i = 0; i < kn_n_products; i++)
        if (kn_equal_nocase(kn_products[i].name, product))
            return kn_products[i].version;
    return NULL;
}

// The product that has the operation; ICE, the largest, when none or several have it.
static const char *version_having(const char *action)
{
    const char *found = NULL;
    for (size_t i = 0; i < kn_n_operations; i++) {
        if (strcmp(kn_operations[i].name, action) != 0)
            continue;
        if (found)
            return KN_VERSION_ICE;
        found = kn_operations[i].version;
    }
    return found ? found : KN_VERSION_ICE;
}

// "Name=text", or "Name=@file" for what a file holds.
static kn_code parameter_add(json_t *params, const char *text, struct kn_error *err)
{
    size_t n = strcspn(text, "=");
    if (n == 0 || !text[n])
        return kn_fail(err, KN_EINVAL, "'%s' is no parameter: write Name=Value", text);
    kn_auto(kn_free) char *name = strndup(text, n);
    kn_auto(kn_buf_clear) struct kn_buf value = {0};
    const char *said = text + n + 1;
    if (said[0] == '@') {
        kn_code rc = kn_fs_read(&value, said + 1, MAX_VALUE_BYTES, err);
        if (rc != KN_OK)
            return rc;
        said = kn_buf_text(&value);
    }
    json_t *json = json_string(said);
    if (!json)
        return kn_fail(err, KN_EINVAL, "the value of '%s' is not UTF-8", name ? name : text);
    return name && json_object_set_new(params, name, json) == 0
               ? KN_OK
               : kn_fail(err, KN_ENOMEM, "no memory for the call");
}

static kn_code call(struct kn_remote *remote, int n, char **arguments, void *context,
                    struct kn_error *err)
{
    const struct call_options *options = context;
    const char *version = options->product ? version_of(options->product)
                                           : version_having(arguments[0]);
    if (!version)
        return kn_fail(err, KN_EINVAL, "there is no product '%s'", options->product);
    json_auto_t *params = json_object();
    for (int i = 1; i < n; i++) {
        kn_code rc = parameter_add(params, arguments[i], err);
        if (rc != KN_OK)
            return rc;
    }
    json_auto_t *answer = NULL;
    kn_code rc = kn_remote_call(remote, version, arguments[0], params, &answer, err);
    if (rc == KN_OK)
        kn_cli_print_json(answer);
    return rc;
}

int kn_cmd_call(int argc, char **argv)
{
    struct call_options options = {0};
    const struct kn_option table[] = {
        KN_REMOTE_OPTIONS(options.flags),
        {"product", &options.product, NULL},
        {NULL, NULL, NULL},
    };
    static const struct kn_verb verbs[] = {
        {NULL, 1, MAX_PARAMETERS, "an operation, then Name=Value…", call},
        {NULL, 0, 0, NULL, NULL},
    };
    const struct kn_verbs command = {
        .command = "call",
        .help = "usage: kinora call ACTION [Name=Value…]\n\n"
                "Any operation of the API, signed; its answer as JSON. 'Name=@FILE' sends what a file\n"
                "holds. docs/api lists the operations.\n\n"
                "options\n"
                "  --product NAME        ice, vod, imm, mts, sts, mnsopen or kinora, where several have it\n\n"
                "examples\n"
                "  kinora call ListPipelines\n"
                "  kinora call SubmitMediaConvertJob Config=@job.json UserData=42\n"
                "  kinora call GetCallerIdentity --product sts\n",
        .options = table,
        .flags = &options.flags,
        .verbs = verbs,
        .context = &options,
    };
    return kn_verbs_run(&command, argc, argv);
}

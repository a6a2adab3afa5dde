#pragma once
/*
 * From the wire's Config to the canonical object of convert.h, and to the echo of Get and Submit.
 *
 * All checks that need no media happen here, at submit: addresses, templates, references, ranges
 * (spec 02, 5, 6 and 11). Messages name the field by its path on the wire, as in
 * 'Config.OutputGroups[0].Outputs[0].OverrideParams.Audios[1].InputRef'.
 */
#include <stdbool.h>

#include <jansson.h>

#include "base/error.h"
#include "features/convert/template.h"

/* What a request is read against. All borrowed for the call. */
struct kn_convert_site {
    const char *const *oss_hosts;               // as kn_uri_parse(); may be NULL
    const struct kn_template_source *templates; // custom templates; may be NULL
    const char *job_id;                         // for {JobId}; NULL leaves the placeholder
    bool may_name_paths;                        // files of this machine: the command line alone
};

/*
 * Check `config` (the parsed Config object) and bring it to canonical form.
 *
 *   *out  a new reference
 * KN_EINVAL with reason EmptyValue, OutOfRange, TemplateNotFound, JsonFormatInvalid,
 * JsonObjectFormatInvalid, InvalidParameter, BucketNameInvalid, ObjectKeyInvalid or NotSupported.
 */
kn_code kn_convert_canonical(json_t **out, const json_t *config,
                             const struct kn_convert_site *site, struct kn_error *err);

/*
 * Config as Submit and Get answer it: OverrideParams and Features are strings whatever was sent
 * (typed clients refuse objects, spec 02, 3.2), a missing Priority is 6, `Url` became `Media`.
 * *out is a new reference.
 */
kn_code kn_convert_echo(json_t **out, const json_t *config, struct kn_error *err);

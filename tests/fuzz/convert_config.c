/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A client's Config: JSON, canonical form, typed spec, echo. What is accepted must load again. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "features/convert/canonical.h"
#include "features/convert/convert_spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char *const hosts[] = {"oss.example.com", NULL};
    struct kn_convert_site site = {.oss_hosts = hosts, .job_id = "0123"};
    json_auto_t *config = NULL;
    if (kn_json_parse(&config, (const char *)bytes, n, "Config", NULL) != KN_OK)
        return 0;
    json_auto_t *canonical = NULL;
    if (kn_convert_canonical(&canonical, config, &site, NULL) == KN_OK) {
        kn_auto(kn_convert_spec_clear) struct kn_convert_spec spec = {0};
        kn_code rc = kn_convert_spec_load(&spec, canonical, NULL);
        assert(rc == KN_OK || rc == KN_ENOMEM);
        json_auto_t *echo = NULL;
        (void)kn_convert_echo(&echo, config, NULL);
    }
    for (int type = KN_TEMPLATE_TRANSCODE; type <= KN_TEMPLATE_SUBTITLE; type++)
        (void)kn_template_check(type, 0, config, NULL);
    return 0;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * convert-file CANONICAL.json: run one conversion over paths and print its result. For tests and
 * for measuring the engine alone. DIE-AT: kill -9 itself when progress reaches that share. Exit 0 done, 1 failed, 2 wrong usage.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/json.h"
#include "features/convert/convert.h"
#include "support/local_context.h"

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs("usage: convert-file CANONICAL.json [THREADS [CANCEL-AFTER [KEEP-FOLDER [DIE-AT]]]]\n", stderr);
        return 2;
    }
    struct kn_error err = {0};
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    json_t *spec = NULL, *result = NULL;
    struct kn_local_context local = {0};
    kn_code rc = kn_fs_read(&text, argv[1], 1 << 20, &err);
    if (rc == KN_OK)
        rc = kn_json_parse(&spec, text.data, text.len, argv[1], &err);
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (rc == KN_OK && !kn_local_context_init(&local, ".", argc > 2 ? atoi(argv[2]) : (int)cores))
        rc = kn_fail(&err, KN_EIO, "cannot make the scratch folder");
    local.cancel_after = argc > 3 ? atoi(argv[3]) : 0;
    local.context.keep_folder = argc > 4 ? argv[4] : NULL;
    local.die_at = argc > 5 ? atof(argv[5]) : 0;
    if (rc == KN_OK)
        rc = kn_convert_run(&local.context, spec, &result, &err);
    if (rc == KN_OK)
        rc = kn_local_context_publish(&local, &err);
    if (result)
        json_dumpf(result, stdout, JSON_INDENT(1));
    putchar('\n');
    if (rc != KN_OK)
        fprintf(stderr, "%s (%s): %s\n", kn_code_name(rc), err.reason, err.message);
    json_decref(spec);
    json_decref(result);
    kn_local_context_clear(&local);
    return rc == KN_OK ? 0 : 1;
}

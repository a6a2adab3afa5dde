/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "features/convert/check.h"

#include <unistd.h>

#include "base/cleanup.h"
#include "engine/media/file_meta.h"

static kn_code reopen(void *impl, const char *uri, struct kn_source **out, struct kn_error *err)
{
    const struct kn_output_run *o = impl;
    const int fd = dup(o->sink->fd);
    if (fd < 0)
        return kn_fail(err, KN_EIO, "cannot read '%s' again", uri);
    return kn_source_take_fd(out, fd, uri, err);
}

kn_code kn_output_check(struct kn_output_run *o, struct kn_error *err)
{
    if (!o->sink)
        return KN_OK;
    kn_auto(kn_input_free) struct kn_input *input = NULL;
    const struct kn_input_env env = {reopen, o, NULL};
    kn_code rc = kn_input_open(&input, o->spec->uri, &env, err);
    if (rc != KN_OK)
        return rc;
    if ((int)input->format->nb_streams < kn_mux_n_tracks(o->mux))
        return kn_fail(err, KN_EBUG, "'%s' has %u tracks of the %d written", o->spec->uri,
                       input->format->nb_streams, kn_mux_n_tracks(o->mux));
    o->meta = kn_file_meta(input, o->spec->uri, "transcode_file");
    return o->meta ? KN_OK : kn_fail(err, KN_ENOMEM, "no memory for the result");
}

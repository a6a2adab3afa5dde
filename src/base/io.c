/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sources and sinks: the local-file source, and what all kinds share. */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

kn_code kn_source_take_fd(struct kn_source **out_source, int fd, const char *uri,
                          struct kn_error *err)
{
    kn_auto(kn_close_fd) int owned = fd;
    *out_source = NULL;
    struct stat st;
    if (fstat(owned, &st) != 0)
        return kn_fail_errno(err, errno, "cannot look at '%s'", uri);
    if (S_ISDIR(st.st_mode))
        return kn_fail(err, KN_EINVAL, "'%s' is a folder, not a file", uri);
    struct kn_source *source = calloc(1, sizeof(*source));
    if (source)
        source->uri = strdup(uri);
    if (!source || !source->uri) {
        free(source);
        return kn_fail(err, KN_ENOMEM, "no memory to open '%s'", uri);
    }
    source->size_bytes = S_ISREG(st.st_mode) ? (int64_t)st.st_size : -1;
    (void)snprintf(source->identity, sizeof(source->identity),
                   "%" PRIu64 "-%" PRIu64 "-%" PRId64 "-%" PRId64 ".%09ld", (uint64_t)st.st_dev,
                   (uint64_t)st.st_ino, (int64_t)st.st_size, (int64_t)st.st_mtim.tv_sec,
                   st.st_mtim.tv_nsec);
    source->fd = owned;
    owned = -1;
    *out_source = source;
    return KN_OK;
}

kn_code kn_source_open_file(struct kn_source **out_source, const char *path, struct kn_error *err)
{
    *out_source = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return kn_fail_errno(err, errno, "cannot open '%s'", path);
    return kn_source_take_fd(out_source, fd, path, err);
}

kn_code kn_source_read_at(struct kn_source *source, int64_t offset, void *out, size_t n,
                          size_t *out_got, struct kn_error *err)
{
    *out_got = 0;
    if (source->read_at)
        return source->read_at(source, offset, out, n, out_got, err);
    ssize_t got;
    do
        got = pread(source->fd, out, n, offset);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return kn_fail_errno(err, errno, "cannot read '%s'", source->uri);
    *out_got = (size_t)got;
    return KN_OK;
}

void kn_source_free(struct kn_source **source)
{
    struct kn_source *s = *source;
    if (!s)
        return;
    if (s->release)
        s->release(s);
    kn_close_fd(&s->fd);
    free(s->uri);
    free(s);
    *source = NULL;
}

kn_code kn_sink_commit(struct kn_sink *sink, struct kn_error *err)
{
    if (sink->is_committed)
        return kn_fail(err, KN_EBUG, "'%s' was committed twice", sink->uri);
    kn_code rc = sink->commit(sink, err);
    sink->is_committed = rc == KN_OK;
    return rc;
}

void kn_sink_free(struct kn_sink **sink)
{
    struct kn_sink *s = *sink;
    if (!s)
        return;
    if (s->release)
        s->release(s);
    kn_close_fd(&s->fd);
    free(s->uri);
    free(s);
    *sink = NULL;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Inputs and outputs by path. Folders that had to be made for outputs go again when nothing came. */
#include "supervisor/path_files.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/id.h"
#include "base/strings.h"

// Descriptors of nameless outputs that are kept open; a job with more (HLS segments) hides the rest
// under names, for descriptors run out.
#define MAX_NAMELESS 128
// What takes no time to hand to the disk.
#define SMALL_BYTES (1 << 20)
// Flushes that wait for the disk together: it answers several as fast as one. Starting more threads takes longer than
// they save.
#define N_FLUSHERS 4

struct staged {
    struct staged *next;
    char *path;      // owned: the final name
    char *hidden;    // owned: its name until then; NULL while it has none (O_TMPFILE)
    char *made;      // owned: the topmost folder that had to be made for it; NULL when none
    int fd;          // owned: kept, for a file without a name lives by its descriptor
    bool must_close; // one of too many: flushed, named and closed when committed
    bool is_committed, is_flushed, is_published;
    bool is_new;     // published under a name that nothing had
    bool is_printed; // goes to standard output instead
    int flush_errno; // 0: all of it is on the disk, or it has not been asked
};

struct kn_path_files {
    struct kn_files face;
    struct kn_http_client *client; // borrowed; may be NULL
    kn_url_open open_url;          // set when there is a client
    bool keeps_existing, prints;   // set before the first output
    pthread_mutex_t lock;
    // --- protected by lock
    struct staged *staged; // owned, newest first
    int n_staged;
    struct staged *to_flush; // borrowed: the next one that a flusher takes
};

/* ---- inputs ---- */

static const char *path_of(const char *uri)
{
    return kn_starts_with(uri, "file://") ? uri + strlen("file://") : uri;
}

static kn_code files_open_input(struct kn_files *face, const char *uri, struct kn_source **out,
                                struct kn_error *err)
{
    struct kn_path_files *files = (struct kn_path_files *)face;
    *out = NULL;
    bool is_url = kn_starts_with(uri, "http://") || kn_starts_with(uri, "https://");
    if (is_url && files->client)
        return files->open_url(out, files->client, uri, err);
    if (is_url)
        return kn_fail_as(err, KN_EINVAL, "ResourceAccess", "'%s' is no file", uri);
    kn_code rc = kn_source_open_file(out, path_of(uri), err);
    if (rc == KN_ENOTFOUND && err)
        (void)kn_copy(err->reason, sizeof(err->reason), "ResourceNotFound");
    return rc;
}

/* ---- outputs ---- */

// The part before the last '/', malloc'd; "." when there is none.
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

// The topmost folder on the way to `folder` that is not there yet, malloc'd; NULL when all are.
static char *first_absent(const char *folder)
{
    char *absent = NULL;
    kn_auto(kn_free) char *at = strdup(folder);
    while (at && !kn_fs_exists(at)) {
        char *up = folder_of(at);
        free(absent);
        absent = at;
        at = up;
    }
    return absent;
}

static char *hidden_name(const char *path)
{
    char id[13], *name = NULL;
    kn_id_token(id, 12);
    kn_auto(kn_free) char *folder = folder_of(path);
    if (!folder || asprintf(&name, "%s/.%s.%s.part", folder, kn_fs_name(path), id) < 0)
        return NULL;
    return name;
}

static kn_code exists(const char *path, struct kn_error *err)
{
    return kn_fail_as(err, KN_ECONFLICT, "OutputExists", "'%s' exists already", path);
}

// In memory until everything has succeeded.
static kn_code staged_open_printed(struct staged *staged, struct kn_error *err)
{
    staged->path = strdup("standard output");
    staged->is_printed = true;
    staged->fd = memfd_create("output", MFD_CLOEXEC);
    return staged->path && staged->fd >= 0 ? KN_OK : kn_fail_errno(err, errno, "cannot keep what is to be printed");
}

static kn_code staged_open(struct staged *staged, const char *uri, bool keeps_existing,
                           struct kn_error *err)
{
    staged->path = strdup(path_of(uri));
    kn_auto(kn_free) char *folder = staged->path ? folder_of(staged->path) : NULL;
    if (!folder)
        return kn_fail(err, KN_ENOMEM, "no memory to write '%s'", uri);
    struct stat st;
    if (stat(staged->path, &st) == 0 && S_ISDIR(st.st_mode))
        return kn_fail(err, KN_EINVAL, "'%s' is a folder, not a file", staged->path);
    if (keeps_existing && kn_fs_exists(staged->path))
        return exists(staged->path, err);
    staged->made = first_absent(folder);
    kn_code rc = kn_fs_make_folders(folder, 0777, err);
    if (rc)
        return rc;
    staged->fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
    if (staged->fd >= 0)
        return KN_OK;
    staged->hidden = hidden_name(staged->path);
    if (!staged->hidden)
        return kn_fail(err, KN_ENOMEM, "no memory to write '%s'", uri);
    staged->fd = open(staged->hidden, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0666);
    if (staged->fd < 0)
        return kn_fail_errno(err, errno, "cannot write '%s'", staged->path);
    return KN_OK;
}

// Gives a file without a name one that nothing has. False: see errno.
static bool staged_link(const struct staged *staged, const char *name)
{
    char self[40];
    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", staged->fd);
    return linkat(AT_FDCWD, self, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0;
}

// A file without a name gets its hidden one: rename() replaces, linkat() does not.
static kn_code staged_name(struct staged *staged, struct kn_error *err)
{
    if (staged->hidden)
        return KN_OK;
    kn_auto(kn_free) char *hidden = hidden_name(staged->path);
    if (!hidden)
        return kn_fail(err, KN_ENOMEM, "no memory to write '%s'", staged->path);
    if (!staged_link(staged, hidden))
        return kn_fail_errno(err, errno, "cannot write '%s'", staged->path);
    staged->hidden = KN_TAKE(hidden);
    return KN_OK;
}

// On its way to the disk now; waited for before the first name appears, together with all others.
static void staged_send(const struct staged *staged)
{
    (void)sync_file_range(staged->fd, 0, 0, SYNC_FILE_RANGE_WRITE); // a hint
}

static bool is_small(const struct staged *staged)
{
    struct stat st;
    return fstat(staged->fd, &st) == 0 && st.st_size <= SMALL_BYTES;
}

static kn_code sink_commit(struct kn_sink *sink, struct kn_error *err)
{
    struct staged *staged = sink->impl;
    if (!staged->must_close) {
        if (!is_small(staged))
            staged_send(staged);
        staged->is_committed = true;
        return KN_OK;
    }
    if (fsync(staged->fd) != 0)
        return kn_fail_errno(err, errno, "cannot write '%s'", staged->path);
    kn_code rc = staged_name(staged, err);
    if (rc)
        return rc;
    kn_close_fd(&staged->fd);
    staged->is_committed = true;
    return KN_OK;
}

// Its child has the answer by now, and goes on meanwhile. A large file would hold up whoever lets go of it.
static void sink_release(struct kn_sink *sink)
{
    const struct staged *staged = sink->impl;
    if (sink->is_committed && staged->fd >= 0 && is_small(staged))
        staged_send(staged);
}

static void staged_free(struct staged *staged)
{
    if (staged->hidden && !staged->is_published)
        (void)unlink(staged->hidden); // best effort: it may be gone
    kn_close_fd(&staged->fd);
    free(staged->path);
    free(staged->hidden);
    free(staged->made);
    free(staged);
}

static kn_code files_open_output(struct kn_files *face, const char *uri, struct kn_sink **out,
                                 struct kn_error *err)
{
    struct kn_path_files *files = (struct kn_path_files *)face;
    struct staged *staged = calloc(1, sizeof(*staged));
    struct kn_sink *sink = calloc(1, sizeof(*sink));
    kn_code rc = KN_ENOMEM;
    if (staged)
        staged->fd = -1;
    if (staged && sink)
        rc = files->prints && strcmp(uri, "-") == 0 ? staged_open_printed(staged, err)
                                                    : staged_open(staged, uri, files->keeps_existing, err);
    else
        (void)kn_fail(err, KN_ENOMEM, "no memory to write '%s'", uri);
    if (rc == KN_OK) {
        *sink = (struct kn_sink){.fd = fcntl(staged->fd, F_DUPFD_CLOEXEC, 0),
                                 .uri = strdup(uri),
                                 .commit = sink_commit,
                                 .release = sink_release,
                                 .impl = staged};
        if (sink->fd < 0 || !sink->uri)
            rc = kn_fail_errno(err, errno, "cannot write '%s'", uri);
    }
    if (rc) {
        kn_sink_free(&sink);
        if (staged)
            staged_free(staged);
        return rc;
    }
    (void)pthread_mutex_lock(&files->lock);
    staged->next = files->staged;
    staged->must_close = files->n_staged++ >= MAX_NAMELESS;
    files->staged = staged;
    (void)pthread_mutex_unlock(&files->lock);
    *out = sink;
    return KN_OK;
}

/* ---- flushing ---- */

// A thread's share: whichever file is next, until none is left.
static void *flusher_run(void *context)
{
    struct kn_path_files *files = context;
    for (;;) {
        (void)pthread_mutex_lock(&files->lock);
        struct staged *staged = files->to_flush;
        while (staged && (!staged->is_committed || staged->is_flushed || staged->fd < 0))
            staged = staged->next;
        files->to_flush = staged ? staged->next : NULL;
        (void)pthread_mutex_unlock(&files->lock);
        if (!staged)
            return NULL;
        if (fsync(staged->fd) != 0)
            staged->flush_errno = errno;
        staged->is_flushed = true;
    }
}

static bool has_unflushed(const struct kn_path_files *files)
{
    for (const struct staged *s = files->staged; s; s = s->next)
        if (s->is_committed && !s->is_flushed && s->fd >= 0)
            return true;
    return false;
}

void kn_path_files_flush(struct kn_path_files *files)
{
    pthread_t others[N_FLUSHERS - 1];
    int n_others = 0;
    if (!has_unflushed(files))
        return;
    files->to_flush = files->staged;
    while (n_others < N_FLUSHERS - 1 && n_others + 1 < files->n_staged &&
           pthread_create(&others[n_others], NULL, flusher_run, files) == 0)
        n_others++;
    (void)flusher_run(files);
    while (n_others > 0)
        (void)pthread_join(others[--n_others], NULL);
}

// Every committed file onto the disk.
static kn_code files_flush(struct kn_path_files *files, struct kn_error *err)
{
    kn_path_files_flush(files);
    for (struct staged *s = files->staged; s; s = s->next)
        if (s->flush_errno)
            return kn_fail_errno(err, s->flush_errno, "cannot write '%s'", s->path);
    return KN_OK;
}

/* ---- publishing ---- */

// rename(), or where nothing may be replaced a rename that fails. False: see errno.
static bool staged_rename(const struct staged *staged, bool keeps_existing)
{
    if (!keeps_existing)
        return rename(staged->hidden, staged->path) == 0;
    if (renameat2(AT_FDCWD, staged->hidden, AT_FDCWD, staged->path, RENAME_NOREPLACE) == 0)
        return true;
    // File systems without that flag have links; linkat() replaces nothing either.
    return errno == EINVAL && link(staged->hidden, staged->path) == 0 &&
           unlink(staged->hidden) == 0;
}

// Its name at once where nothing has it, a hidden one beside it elsewhere.
static kn_code staged_appear(struct staged *staged, bool keeps_existing, struct kn_error *err)
{
    if (staged->hidden || staged->fd < 0 || staged->is_printed)
        return KN_OK;
    staged->is_published = staged->is_new = staged_link(staged, staged->path);
    if (staged->is_published)
        return KN_OK;
    if (errno != EEXIST)
        return kn_fail_errno(err, errno, "cannot write '%s'", staged->path);
    return keeps_existing ? exists(staged->path, err) : staged_name(staged, err);
}

// Takes a name back that replaced nothing, unless somebody has replaced the file meanwhile.
static void staged_withdraw(struct staged *staged)
{
    struct stat ours, there;
    if (fstat(staged->fd, &ours) == 0 && lstat(staged->path, &there) == 0 && ours.st_ino == there.st_ino &&
        ours.st_dev == there.st_dev)
        (void)unlink(staged->path); // best effort
    staged->is_published = false;
}

static kn_code staged_print(const struct staged *staged, struct kn_error *err)
{
    char part[64 * 1024];
    for (off_t at = 0;;) {
        const ssize_t n = pread(staged->fd, part, sizeof(part), at);
        if (n < 0)
            return kn_fail_errno(err, errno, "cannot read what is to be printed");
        if (n == 0)
            return KN_OK;
        const kn_code rc = kn_fs_write_all(STDOUT_FILENO, part, (size_t)n, err);
        if (rc != KN_OK)
            return kn_error_prefix(err, "%s", staged->path);
        at += n;
    }
}

kn_code kn_path_files_publish(struct kn_path_files *files, struct kn_error *err)
{
    kn_code rc = files_flush(files, err);
    for (struct staged *s = files->staged; s && rc == KN_OK; s = s->next)
        if (s->is_committed)
            rc = staged_appear(s, files->keeps_existing, err);
    for (struct staged *s = files->staged; s && rc == KN_OK; s = s->next) {
        if (!s->is_committed || s->is_published)
            continue;
        if (s->is_printed)
            rc = staged_print(s, err);
        s->is_published = s->is_printed || staged_rename(s, files->keeps_existing);
        if (!s->is_published)
            rc = errno == EEXIST ? exists(s->path, err)
                                 : kn_fail_errno(err, errno, "cannot write '%s'", s->path);
    }
    for (struct staged *s = files->staged; s && rc != KN_OK; s = s->next)
        if (s->is_new)
            staged_withdraw(s);
    return rc;
}

// Folders of an output that never came: from the one it lies in up to the topmost that we made.
static void made_remove(const struct staged *staged)
{
    kn_auto(kn_free) char *at = folder_of(staged->path);
    while (at && staged->made && strlen(at) >= strlen(staged->made) && rmdir(at) == 0) {
        char *up = folder_of(at);
        free(at);
        at = up;
    }
}

void kn_path_files_keep_existing(struct kn_path_files *files)
{
    files->keeps_existing = true;
}

void kn_path_files_print(struct kn_path_files *files)
{
    files->prints = true;
}

struct kn_files *kn_path_files_face(struct kn_path_files *files)
{
    return &files->face;
}

kn_code kn_path_files_new(struct kn_path_files **out, struct kn_http_client *client, kn_url_open open_url,
                          struct kn_error *err)
{
    struct kn_path_files *files = calloc(1, sizeof(*files));
    *out = files;
    if (!files)
        return kn_fail(err, KN_ENOMEM, "no memory for files");
    files->face = (struct kn_files){files_open_input, files_open_output};
    files->client = client;
    files->open_url = open_url;
    (void)pthread_mutex_init(&files->lock, NULL);
    return KN_OK;
}

void kn_path_files_free(struct kn_path_files **files)
{
    struct kn_path_files *f = *files;
    if (!f)
        return;
    while (f->staged) {
        struct staged *staged = f->staged;
        f->staged = staged->next;
        if (staged->hidden && !staged->is_published)
            (void)unlink(staged->hidden); // best effort
        if (!staged->is_published)
            made_remove(staged);
        staged_free(staged);
    }
    (void)pthread_mutex_destroy(&f->lock);
    free(f);
    *files = NULL;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files and folders. */
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/id.h"

kn_code kn_fs_read(struct kn_buf *out, const char *path, size_t max_bytes, struct kn_error *err)
{
    kn_auto(kn_close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return kn_fail_errno(err, errno, "cannot open '%s'", path);
    size_t total = 0;
    for (;;) {
        if (!kn_buf_reserve(out, 64 * 1024))
            return kn_fail(err, KN_ENOMEM, "no memory to read '%s'", path);
        ssize_t got = read(fd, out->data + out->len, 64 * 1024);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return kn_fail_errno(err, errno, "cannot read '%s'", path);
        if (got == 0)
            return KN_OK;
        out->len += (size_t)got;
        out->data[out->len] = '\0';
        total += (size_t)got;
        if (total > max_bytes)
            return kn_fail(err, KN_ELIMIT, "'%s' is larger than %zu bytes", path, max_bytes);
    }
}

kn_code kn_fs_write_all(int fd, const void *bytes, size_t n, struct kn_error *err)
{
    const char *at = bytes;
    while (n > 0) {
        ssize_t put = write(fd, at, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return kn_fail_errno(err, errno, "cannot write");
        at += put;
        n -= (size_t)put;
    }
    return KN_OK;
}

kn_code kn_fs_sync_folder(const char *path, struct kn_error *err)
{
    kn_auto(kn_close_fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return kn_fail_errno(err, errno, "cannot open folder '%s'", path);
    if (fsync(fd) != 0)
        return kn_fail_errno(err, errno, "cannot sync folder '%s'", path);
    return KN_OK;
}

// A journal is written in order: what commits a file's size commits the name that was made before.
bool kn_fs_sync_covers_name(const char *path)
{
    struct statfs fs;
    if (statfs(path, &fs) != 0)
        return false;
    if (fs.f_type == XFS_SUPER_MAGIC)
        return true;
    if (fs.f_type != EXT4_SUPER_MAGIC)
        return false;
    // ext2 has this magic too and no journal, but cannot set space aside. (ext4 without its journal
    // syncs the folder by itself: ext4_fsync_nojournal() in fs/ext4/fsync.c.)
    kn_auto(kn_close_fd) int fd = open(path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return fd >= 0 && fallocate(fd, 0, 0, 4096) == 0;
}

static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strdup(".");
    if (slash == path)
        return strdup("/");
    return strndup(path, (size_t)(slash - path));
}

kn_code kn_fs_write(const char *path, const void *bytes, size_t n, mode_t mode,
                    struct kn_error *err)
{
    char id[KN_ID_SIZE];
    kn_id_hex(id);
    kn_auto(kn_free) char *temporary = NULL;
    kn_auto(kn_free) char *folder = parent_of(path);
    if (!folder || asprintf(&temporary, "%s.%.8s.tmp", path, id) < 0) {
        temporary = NULL;
        return kn_fail(err, KN_ENOMEM, "no memory to write '%s'", path);
    }
    kn_auto(kn_close_fd) int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return kn_fail_errno(err, errno, "cannot create '%s'", temporary);
    kn_code rc = kn_fs_write_all(fd, bytes, n, err);
    if (rc == KN_OK && fsync(fd) != 0)
        rc = kn_fail_errno(err, errno, "cannot sync");
    if (rc == KN_OK && rename(temporary, path) != 0)
        rc = kn_fail_errno(err, errno, "cannot rename to '%s'", path);
    if (rc != KN_OK) {
        (void)unlink(temporary); // best effort: the name is ours alone
        return err ? kn_error_prefix(err, "'%s'", path) : rc;
    }
    return kn_fs_sync_folder(folder, err);
}

kn_code kn_fs_make_folders(const char *path, mode_t mode, struct kn_error *err)
{
    kn_auto(kn_free) char *copy = strdup(path);
    if (!copy)
        return kn_fail(err, KN_ENOMEM, "no memory for a path");
    for (char *at = copy + 1; copy[0]; at++) {
        char c = *at;
        if (c != '/' && c != '\0')
            continue;
        *at = '\0';
        if (mkdir(copy, mode) != 0 && errno != EEXIST)
            return kn_fail_errno(err, errno, "cannot make folder '%s'", copy);
        if (c == '\0')
            break;
        *at = '/';
    }
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
        return kn_fail(err, KN_ECONFLICT, "'%s' is not a folder", path);
    return KN_OK;
}

kn_code kn_fs_make_parents(const char *path, mode_t mode, struct kn_error *err)
{
    kn_auto(kn_free) char *folder = parent_of(path);
    if (!folder)
        return kn_fail(err, KN_ENOMEM, "no memory for a path");
    return kn_fs_make_folders(folder, mode, err);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path) != 0 && errno != ENOENT ? -1 : 0;
}

kn_code kn_fs_remove_tree(const char *path, struct kn_error *err)
{
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
        return kn_fail_errno(err, errno, "cannot remove '%s'", path);
    return KN_OK;
}

bool kn_fs_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

const char *kn_fs_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *kn_fs_program_folder(void)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (n <= 0)
        return NULL;
    path[n] = '\0';
    return parent_of(path);
}

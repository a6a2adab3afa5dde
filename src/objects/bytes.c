/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files that hold bytes: DIR/<first two of name>/<name>, the name random. A file is written, synced
 * and then only read, so an object's row can point to it without any lock. The 256 folders exist
 * from the start, so that a new name needs the sync of one folder only.
 */
#include "objects/local.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fs.h"

static bool path_make(const struct kn_store *store, const char *name, char out[4096])
{
    return snprintf(out, 4096, "%s/%.2s/%s", store->dir, name, name) < 4096;
}

kn_code kn_bytes_create(struct kn_store *store, char out_name[KN_ID_SIZE], int *out_fd,
                        struct kn_error *err)
{
    char path[4096];
    kn_id_hex(out_name);
    if (!path_make(store, out_name, path))
        return kn_fail(err, KN_EINVAL, "the storage folder's name is too long");
    *out_fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (*out_fd < 0)
        return kn_fail_errno(err, errno, "cannot make a file in '%s'", store->dir);
    return KN_OK;
}

/*
 * fdatasync() alone would do on ext4 and XFS, whose journals carry the name of a new file with its
 * inode, but POSIX promises only the bytes: the folder is synced too. Both happen before the row that
 * names the file is committed, so a committed row always finds its bytes.
 */
kn_code kn_bytes_sync(struct kn_store *store, const char *name, int fd, struct kn_error *err)
{
    char folder[4096];
    if (fdatasync(fd) != 0)
        return kn_fail_errno(err, errno, "cannot write to '%s'", store->dir);
    (void)snprintf(folder, sizeof(folder), "%s/%.2s", store->dir, name);
    return kn_fs_sync_folder(folder, err);
}

kn_code kn_bytes_open(struct kn_store *store, const char *name, bool for_writing, int *out_fd,
                      struct kn_error *err)
{
    char path[4096];
    if (!path_make(store, name, path))
        return kn_fail(err, KN_EINVAL, "the storage folder's name is too long");
    *out_fd = open(path, (for_writing ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    if (*out_fd < 0)
        return kn_fail_errno(err, errno, "cannot open the bytes '%s'", path);
    return KN_OK;
}

void kn_bytes_unlink(struct kn_store *store, const char *name)
{
    char path[4096];
    if (path_make(store, name, path))
        (void)unlink(path); // best effort: the sweep finds what stays
}

kn_code kn_bytes_copy(int from, int64_t from_offset, int to, int64_t to_offset, int64_t n,
                      struct kn_error *err)
{
    off_t in = from_offset;
    off_t out = to_offset;
    while (n > 0) {
        ssize_t got = copy_file_range(from, &in, to, &out, (size_t)n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return kn_fail_errno(err, errno, "cannot copy bytes of an object");
        if (got == 0)
            return kn_fail(err, KN_EIO, "the bytes of an object are shorter than its record");
        n -= got;
    }
    return KN_OK;
}

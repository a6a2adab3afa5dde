#pragma once
/* Files and folders: whole-file reads, durable writes, making and removing trees. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

/* Read a whole file of at most max_bytes (KN_ELIMIT beyond). Appends to `out`. */
kn_code kn_fs_read(struct kn_buf *out, const char *path, size_t max_bytes, struct kn_error *err);

/* Write beside the final name, fsync, rename, fsync the folder: all or nothing, also after a crash. */
kn_code kn_fs_write(const char *path, const void *bytes, size_t n, mode_t mode,
                    struct kn_error *err);

/* Write all n bytes to a descriptor, going on after short writes. */
kn_code kn_fs_write_all(int fd, const void *bytes, size_t n, struct kn_error *err);

/* mkdir -p; an existing folder is fine. */
kn_code kn_fs_make_folders(const char *path, mode_t mode, struct kn_error *err);
/* The same for everything before the last '/' of `path`. */
kn_code kn_fs_make_parents(const char *path, mode_t mode, struct kn_error *err);
/* rm -r; absent is fine. Does not follow links out of the tree. */
kn_code kn_fs_remove_tree(const char *path, struct kn_error *err);
/* fsync of a folder, so that names in it survive a power cut. */
kn_code kn_fs_sync_folder(const char *path, struct kn_error *err);
/*
 * Whether the file system below this folder makes the name of a new file durable together with its
 * bytes, so that fdatasync() of the file needs no sync of the folder. False when in doubt.
 */
bool kn_fs_sync_covers_name(const char *path);

bool kn_fs_exists(const char *path);
/* The part after the last '/', borrowed. */
const char *kn_fs_name(const char *path);
/* The folder this program's executable lies in, malloc'd; NULL when unknown. */
char *kn_fs_program_folder(void);

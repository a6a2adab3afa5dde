/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Registrations as locked files. */
#include "supervisor/peers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/strings.h"

struct kn_peers {
    char *folder; // owned
    char own[KN_ID_SIZE];
    int own_fd; // owned, locked
};

// A registration's path, malloc'd.
static char *path_of(const struct kn_peers *peers, const char *worker_id)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s", peers->folder, worker_id) < 0 ? NULL : path;
}

kn_code kn_peers_new(struct kn_peers **out, const char *data_folder, const char *worker_id,
                     struct kn_error *err)
{
    *out = NULL;
    struct kn_peers *peers = calloc(1, sizeof(*peers));
    if (!peers || asprintf(&peers->folder, "%s/workers", data_folder) < 0) {
        free(peers);
        return kn_fail(err, KN_ENOMEM, "no memory for a registration");
    }
    peers->own_fd = -1;
    (void)kn_copy(peers->own, sizeof(peers->own), worker_id);
    kn_auto(kn_free) char *path = path_of(peers, worker_id);
    kn_code rc = path ? kn_fs_make_folders(peers->folder, 0700, err)
                      : kn_fail(err, KN_ENOMEM, "no memory for a registration");
    if (rc == KN_OK) {
        peers->own_fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
        if (peers->own_fd < 0 || flock(peers->own_fd, LOCK_EX | LOCK_NB) != 0)
            rc = kn_fail_errno(err, errno, "cannot register this worker in '%s'", peers->folder);
    }
    if (rc)
        kn_peers_free(&peers);
    *out = peers;
    return rc;
}

void kn_peers_free(struct kn_peers **peers)
{
    struct kn_peers *p = *peers;
    if (!p)
        return;
    if (p->own_fd >= 0)
        kn_peers_forget(p, p->own);
    kn_close_fd(&p->own_fd);
    free(p->folder);
    free(p);
    *peers = NULL;
}

static bool is_dead(const struct kn_peers *peers, const char *worker_id)
{
    kn_auto(kn_free) char *path = path_of(peers, worker_id);
    kn_auto(kn_close_fd) int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

bool kn_peers_next_dead(struct kn_peers *peers, char out_worker_id[KN_ID_SIZE])
{
    DIR *folder = opendir(peers->folder);
    if (!folder)
        return false;
    bool found = false;
    const struct dirent *entry;
    while (!found && (entry = readdir(folder))) {
        found = strlen(entry->d_name) == KN_ID_SIZE - 1 && strcmp(entry->d_name, peers->own) != 0 &&
                is_dead(peers, entry->d_name);
        if (found)
            (void)kn_copy(out_worker_id, KN_ID_SIZE, entry->d_name);
    }
    (void)closedir(folder);
    return found;
}

void kn_peers_forget(struct kn_peers *peers, const char *worker_id)
{
    kn_auto(kn_free) char *path = path_of(peers, worker_id);
    if (path)
        (void)unlink(path); // best effort: somebody else may have
}

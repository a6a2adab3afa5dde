#pragma once
/*
 * Locking down a job's child, after its engines are open and before its first thread and its first
 * input byte (decisions 2). What is given up cannot be had back.
 *
 *     no_new_privs   nothing it starts can gain rights
 *     Landlock       files: some folders to read, two to write; where the kernel has it
 *     seccomp        no network, no programs, no other processes, no descent into the kernel
 *     rlimits        file size, processor time, processes, data, descriptors, no core files
 *
 * Inputs and outputs are descriptors that others opened, so no folder of theirs is in view.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct kn_lockdown {
    const char *const *read_only;  // NULL-terminated folders beyond the system's own; may be NULL
    const char *const *read_write; // NULL-terminated; may be NULL
    int64_t memory_bytes;          // of private data; 0: no limit
    int64_t file_bytes;            // of each file written; 0: no limit
    int64_t cpu_us;                // of processor time, all threads together; 0: no limit
};

/*
 * Make the seccomp filter beforehand, so that children forked from here need not: it is a fifteenth of
 * a tiny job. kn_lockdown_apply() makes it otherwise. One thread.
 *
 * KN_EUNSUP  libseccomp cannot make it.
 */
kn_code kn_lockdown_prepare(struct kn_error *err);

/*
 * Do beforehand, in the process that will be locked down, what is the same for every job: the system's
 * own folders are looked up. kn_lockdown_apply() does it otherwise, and says what is wrong. One thread.
 */
void kn_lockdown_begin(void);

/*
 * Apply all of it to the calling process, which must have one thread.
 *
 *   out_landlock_abi  optional: the kernel's Landlock version; 0 when it has none, and then files
 *                     are guarded by ordinary permissions alone.
 *
 * KN_EUNSUP  the kernel refused seccomp: the job must not run.
 */
kn_code kn_lockdown_apply(const struct kn_lockdown *lockdown, int *out_landlock_abi,
                          struct kn_error *err);

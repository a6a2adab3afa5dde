/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Landlock by raw system calls (glibc 2.36 has no wrappers, and Debian 12's header ends at version 2
 * of the interface: the newer bits are named here), then seccomp through libseccomp.
 *
 * The filter names what is refused rather than what is allowed: media libraries, allocators and the
 * sanitizers use many harmless calls, differently on each architecture. Refused is everything that
 * reaches beyond the process: network, programs, other processes, mounts, keys, the kernel's own
 * machinery. Refusal is EPERM, so that a library's probe for a feature is no crash.
 */
#include "worker/lockdown.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <seccomp.h>

#include "base/cleanup.h"
#include "base/time.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif
#ifndef UNDER_SANITIZER
#define UNDER_SANITIZER 0
#endif

// Descriptors: a ladder of HLS renditions holds a few dozen outputs open; libraries a few more.
#define MAX_DESCRIPTORS 4096
// Threads count against the user's whole total, so this is a fence against bombs, not a budget.
#define MAX_PROCESSES 8192

#define CPU_MARGIN_S 5

// Stands for the process's own number in the rules that allow it to signal itself: beyond any number
// the kernel gives (2^22) and no other operand.
#define SELF 0x6b696e6fU

/* ---- Landlock ---- */

// Documentation/userspace-api/landlock.rst; versions 3, 4 and 6 came after Debian 12's header.
#define ACCESS_TRUNCATE (1ULL << 14)
#define ACCESS_IOCTL_DEV (1ULL << 15)
#define SCOPE_ABSTRACT_SOCKET (1ULL << 0)
#define SCOPE_SIGNAL (1ULL << 1)

struct ruleset {
    uint64_t fs, net, scoped;
};

#define ACCESS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define ACCESS_ALL_V1                                                                              \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_READ |                    \
     LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                              \
     LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |    \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |                                 \
     LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)
#define ACCESS_WRITE                                                                               \
    (ACCESS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                 \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG)

// What libraries read as they work: their data, fonts, character sets, the number of processors.
static const char *const system_read_only[] = {
    "/usr/share", "/usr/lib", "/usr/local/share/fonts", "/usr/local/share/tessdata", "/lib", "/lib64", "/etc/fonts",
    "/etc/ld.so.cache", "/etc/localtime", "/var/cache/fontconfig", "/proc/self", "/proc/cpuinfo",
    "/proc/meminfo", "/sys/devices/system/cpu", "/dev/urandom", "/dev/random", "/dev/zero", NULL,
};

// Allow what lies beneath `path`. A path that is not there needs no rule.
static kn_code rule_add(int ruleset_fd, const char *path, uint64_t access, struct kn_error *err)
{
    kn_auto(kn_close_fd) int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return KN_OK;
    struct stat st;
    if (fstat(fd, &st) != 0)
        return kn_fail_errno(err, errno, "cannot look at '%s'", path);
    if (!S_ISDIR(st.st_mode)) // the kernel refuses rights that only folders have
        access &= LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE;
    struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};
    if (syscall(SYS_landlock_add_rule, ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
        return kn_fail_errno(err, errno, "cannot allow '%s' to the job", path);
    return KN_OK;
}

static kn_code rules_add(int ruleset_fd, const char *const *paths, uint64_t access,
                         struct kn_error *err)
{
    kn_code rc = KN_OK;
    for (; paths && *paths && rc == KN_OK; paths++)
        rc = rule_add(ruleset_fd, *paths, access, err);
    return rc;
}

// The rules as far as they are the same for every job.
static struct {
    int fd;  // owned; -1: not made yet
    int abi; // the kernel's version
    uint64_t write_access;
} rules = {.fd = -1};

static kn_code landlock_begin(struct kn_error *err)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    rules.abi = abi > 0 ? (int)abi : 0;
    if (abi <= 0)
        return KN_OK; // an older kernel, or one started without it: doctor says so
    struct ruleset attr = {.fs = ACCESS_ALL_V1};
    rules.write_access = ACCESS_WRITE;
    if (abi >= 2) {
        attr.fs |= LANDLOCK_ACCESS_FS_REFER; // renames between folders
        rules.write_access |= LANDLOCK_ACCESS_FS_REFER;
    }
    if (abi >= 3) {
        attr.fs |= ACCESS_TRUNCATE;
        rules.write_access |= ACCESS_TRUNCATE;
    }
    if (abi >= 5)
        attr.fs |= ACCESS_IOCTL_DEV;
    if (abi >= 6)
        attr.scoped = SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL;
    size_t size = abi >= 6 ? sizeof(attr) : abi >= 4 ? 16 : 8; // the struct grew with the versions

    kn_auto(kn_close_fd) int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    if (fd < 0)
        return kn_fail_errno(err, errno, "cannot make a Landlock ruleset");
    kn_code rc = rules_add(fd, system_read_only, ACCESS_READ, err);
    const char *models = getenv("TESSDATA_PREFIX"); // where the operator has Tesseract's models
    if (rc == KN_OK && models && models[0])
        rc = rule_add(fd, models, ACCESS_READ, err);
    if (rc == KN_OK)
        rc = rule_add(fd, "/dev/null", ACCESS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE, err);
    if (rc == KN_OK)
        rules.fd = KN_TAKE_FD(fd);
    return rc;
}

void kn_lockdown_begin(void)
{
    (void)landlock_begin(NULL); // tried again, and told, when it is applied
}

static kn_code landlock_apply(const struct kn_lockdown *lockdown, int *out_abi,
                              struct kn_error *err)
{
    kn_code rc = rules.fd < 0 ? landlock_begin(err) : KN_OK;
    *out_abi = rules.abi;
    if (rc || rules.abi == 0)
        return rc;
    rc = rules_add(rules.fd, lockdown->read_only, ACCESS_READ, err);
    if (rc == KN_OK)
        rc = rules_add(rules.fd, lockdown->read_write, rules.write_access, err);
    if (rc == KN_OK && syscall(SYS_landlock_restrict_self, rules.fd, 0) != 0)
        rc = kn_fail_errno(err, errno, "cannot put the Landlock rules in force");
    kn_close_fd(&rules.fd);
    return rc;
}

/* ---- seccomp ---- */

static const char *const refused_calls[] = {
    // the network; socketpair() and what works on the link stay
    "socket", "connect", "bind", "listen", "accept", "accept4", "socketcall",
    // other programs
    "execve", "execveat", "fork", "vfork", "memfd_create", "memfd_secret",
    // other processes
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease", "kcmp",
    "pidfd_open", "pidfd_getfd", "pidfd_send_signal", "tkill", "rt_sigqueueinfo",
    "rt_tgsigqueueinfo", "migrate_pages", "move_pages", "setns", "unshare", "setpgid",
    // mounts, and names that Landlock does not guard
    "mount", "umount", "umount2", "mount_setattr", "move_mount", "open_tree", "fsopen", "fsconfig",
    "fsmount", "fspick", "pivot_root", "chroot", "open_by_handle_at", "name_to_handle_at",
    "quotactl", "quotactl_fd", "chmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchownat",
    "setxattr", "lsetxattr", "removexattr", "lremovexattr", "utime", "utimes", "futimesat",
    "truncate", "truncate64", "mknod", "mknodat", "fanotify_init", "fanotify_mark", "acct", "swapon",
    "swapoff",
    // identities and keys
    "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "setfsuid",
    "setfsgid", "capset", "add_key", "request_key", "keyctl",
    // shared memory and messages of others
    "shmget", "shmat", "msgget", "msgsnd", "msgrcv", "semget", "semop", "semtimedop", "mq_open",
    "mq_unlink",
    // the kernel's machinery
    "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter",
    "io_uring_register", "init_module", "finit_module", "delete_module", "kexec_load",
    "kexec_file_load", "reboot", "syslog", "iopl", "ioperm", "personality", "vhangup", "lookup_dcookie",
    "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname", "setdomainname",
};

static int refuse(scmp_filter_ctx filter, int error_number, const char *name, unsigned n,
                  struct scmp_arg_cmp compare)
{
    int call = seccomp_syscall_resolve_name(name);
    if (call == __NR_SCMP_ERROR)
        return 0; // not on this architecture, or newer than the library
    int sc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(error_number), call, n, compare);
    return sc == -EDOM || sc == -EACCES ? 0 : sc; // cannot happen on this architecture
}

static int filter_fill(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp none = {0};
    const scmp_datum_t self = SELF;
    int sc = 0;
    for (size_t i = 0; i < KN_COUNT(refused_calls) && sc == 0; i++)
        sc = refuse(filter, EPERM, refused_calls[i], 0, none);
    // Threads, but no processes. clone3() hides its flags from filters; glibc then uses clone().
    if (sc == 0)
        sc = refuse(filter, EPERM, "clone", 1, SCMP_CMP(0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
    if (sc == 0)
        sc = refuse(filter, ENOSYS, "clone3", 0, none);
    // Signals to itself (abort, raise), limits of itself.
    if (sc == 0)
        sc = refuse(filter, EPERM, "kill", 1, SCMP_CMP(0, SCMP_CMP_NE, self, 0));
    if (sc == 0)
        sc = refuse(filter, EPERM, "tgkill", 1, SCMP_CMP(0, SCMP_CMP_NE, self, 0));
    if (sc == 0)
        sc = refuse(filter, EPERM, "prlimit64", 1, SCMP_CMP(0, SCMP_CMP_NE, 0, 0));
    // Typing into the terminal of whoever started us.
    if (sc == 0)
        sc = refuse(filter, EPERM, "ioctl", 1, SCMP_CMP(1, SCMP_CMP_MASKED_EQ, 0xffffffff, TIOCSTI));
    if (sc == 0) // TIOCLINUX, of which no portable header speaks
        sc = refuse(filter, EPERM, "ioctl", 1, SCMP_CMP(1, SCMP_CMP_MASKED_EQ, 0xffffffff, 0x541c));
    return sc;
}

// The rules as the kernel takes them. Made once in the nursery: a child only puts its number in.
static struct {
    struct sock_filter *code; // owned by the process
    size_t n;
} program;

static kn_code program_read(int fd, struct kn_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return kn_fail_errno(err, errno, "cannot look at a seccomp filter");
    struct sock_filter *code = malloc((size_t)st.st_size);
    if (!code)
        return kn_fail(err, KN_ENOMEM, "no memory for a seccomp filter");
    if (pread(fd, code, (size_t)st.st_size, 0) != st.st_size) {
        free(code);
        return kn_fail_errno(err, errno, "cannot read a seccomp filter");
    }
    program.code = code;
    program.n = (size_t)st.st_size / sizeof(*code);
    return KN_OK;
}

kn_code kn_lockdown_prepare(struct kn_error *err)
{
    if (program.code)
        return KN_OK;
    kn_auto(kn_close_fd) int fd = memfd_create("seccomp", MFD_CLOEXEC);
    if (fd < 0)
        return kn_fail_errno(err, errno, "cannot make a seccomp filter");
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (!filter)
        return kn_fail(err, KN_ENOMEM, "no memory for a seccomp filter");
    int sc = filter_fill(filter);
    if (sc == 0)
        sc = seccomp_export_bpf(filter, fd);
    seccomp_release(filter);
    if (sc != 0)
        return kn_fail(err, KN_EUNSUP, "cannot make a seccomp filter, without which no job may run: %s",
                       strerror(-sc));
    return program_read(fd, err);
}

static kn_code seccomp_apply(struct kn_error *err)
{
    kn_code rc = kn_lockdown_prepare(err);
    if (rc)
        return rc;
    size_t n_selves = 0; // rules that ask the same share their instructions
    for (size_t i = 0; i < program.n; i++)
        if (program.code[i].k == SELF) {
            program.code[i].k = (uint32_t)getpid();
            n_selves++;
        }
    if (n_selves == 0) // a library that puts it otherwise: better no job than an open one
        return kn_fail(err, KN_EBUG, "the seccomp filter cannot be bound to the job's process");
    const struct sock_fprog loaded = {.len = (unsigned short)program.n, .filter = program.code};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &loaded) != 0)
        return kn_fail(err, KN_EUNSUP,
                       "the kernel refuses a seccomp filter, without which no job may run: %s",
                       strerror(errno));
    return KN_OK;
}

/* ---- limits ---- */

static kn_code limit(__rlimit_resource_t what, rlim_t value, const char *name, struct kn_error *err)
{
    struct rlimit now;
    if (getrlimit(what, &now) == 0 && now.rlim_max < value)
        value = now.rlim_max; // already tighter: keep it
    struct rlimit wanted = {value, value};
    // At its hard limit the kernel kills with SIGKILL, which says nothing; SIGXCPU comes before.
    if (what == RLIMIT_CPU && value + CPU_MARGIN_S <= now.rlim_max)
        wanted.rlim_max = value + CPU_MARGIN_S;
    if (setrlimit(what, &wanted) != 0)
        return kn_fail_errno(err, errno, "cannot limit %s", name);
    return KN_OK;
}

static kn_code limits_apply(const struct kn_lockdown *lockdown, struct kn_error *err)
{
    kn_code rc = limit(RLIMIT_CORE, 0, "core files", err);
    if (rc == KN_OK)
        rc = limit(RLIMIT_NOFILE, MAX_DESCRIPTORS, "descriptors", err);
    if (rc == KN_OK)
        rc = limit(RLIMIT_NPROC, MAX_PROCESSES, "processes", err);
    if (rc == KN_OK && lockdown->file_bytes > 0)
        rc = limit(RLIMIT_FSIZE, (rlim_t)lockdown->file_bytes, "file size", err);
    if (rc == KN_OK && lockdown->cpu_us > 0)
        rc = limit(RLIMIT_CPU, (rlim_t)(lockdown->cpu_us / KN_SECOND) + 1, "processor time", err);
    // A sanitizer's shadow is terabytes of private mapping; there the supervisor's watch must do.
    if (rc == KN_OK && lockdown->memory_bytes > 0 && !UNDER_SANITIZER)
        rc = limit(RLIMIT_DATA, (rlim_t)lockdown->memory_bytes, "memory", err);
    return rc;
}

kn_code kn_lockdown_apply(const struct kn_lockdown *lockdown, int *out_landlock_abi,
                          struct kn_error *err)
{
    int abi = 0;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return kn_fail_errno(err, errno, "cannot set no_new_privs");
    kn_code rc = landlock_apply(lockdown, &abi, err);
    if (rc == KN_OK)
        rc = limits_apply(lockdown, err);
    if (rc == KN_OK)
        rc = seccomp_apply(err);
    if (out_landlock_abi)
        *out_landlock_abi = abi;
    return rc;
}

/* A file layer that fails on command: preloaded into a process, it stands between that process and the C library.

   Nothing happens until faults_arm() names a folder. From then on the calls that change something below that folder are
   counted and, where a trace is wanted, written down: what they do, to which path, and "!" where they were made to fail.

   Kinds, of the nth call that they concern:
     count    none fails
     enospc   it and every later write, creation and extension: no space left on the device
     torn     the same, but the first one still writes half of what it should
     eio      it alone, of the writes and flushes: input/output error
     short    it alone, of the writes: half is written, and the count says so
     rename   it alone, of the renames: permission denied
     refused  it alone, of creations, removals and truncations: permission denied
     readonly it and everything later: read-only file system
     kill     SIGKILL in place of it, whatever it is
   A process that GANCTL_FAULTS=FOLDER:KIND:NTH:TRACE names them to is armed from its start. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { COUNT, ENOSPC_, TORN, EIO_, SHORT, RENAME, REFUSED, READONLY, KILL, KINDS };
enum call { OPEN, WRITE, FSYNC, MOVE, MKDIR, UNLINK, TRUNCATE };
enum answer { GO_ON, HALF, FAIL };

static const char *kinds[] = {"count", "enospc", "torn", "eio", "short", "rename", "refused", "readonly", "kill"};
static const char *calls[] = {"open", "write", "fsync", "rename", "mkdir", "unlink", "truncate"};

static char below[PATH_MAX];
static enum kind kind;
static long nth;
static atomic_long seen;
static int trace = -1;
static int armed;

#define REAL(name, type, ...)                              \
    static type (*real)(__VA_ARGS__);                      \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

int faults_arm(const char *folder, const char *what, long which, const char *trace_file)
{
    armed = 0;
    for (kind = 0; kind < KINDS && strcmp(kinds[kind], what); kind++) continue;
    if (kind == KINDS || !realpath(folder, below)) return -1;
    nth = which;
    seen = 0;
    if (trace >= 0) syscall(SYS_close, trace);
    trace = trace_file && *trace_file
        ? (int)syscall(SYS_openat, AT_FDCWD, trace_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    armed = 1;
    return 0;
}

__attribute__((constructor)) static void arm_from_environment(void)
{
    const char *given = getenv("GANCTL_FAULTS");
    char copy[3 * PATH_MAX], *parts[4], *rest = copy;
    if (!given || strlen(given) >= sizeof copy) return;
    strcpy(copy, given);
    for (int i = 0; i < 4; i++)
        if (!(parts[i] = strsep(&rest, ":"))) return;
    faults_arm(parts[0], parts[1], atol(parts[2]), parts[3]);
}

static int concerns(enum call call)
{
    switch (kind) {
    case ENOSPC_: case TORN: return call == WRITE || call == OPEN || call == MKDIR;
    case EIO_: return call == WRITE || call == FSYNC;
    case SHORT: return call == WRITE;
    case RENAME: return call == MOVE;
    case REFUSED: return call == OPEN || call == MKDIR || call == UNLINK || call == TRUNCATE;
    case READONLY: case KILL: return 1;
    default: return 0;
    }
}

/* What becomes of a call on this path; sets errno where it fails. */
static enum answer judge(enum call call, const char *path, int plausible)
{
    size_t length = strlen(below);
    if (!armed || strncmp(path, below, length) || (path[length] != '/' && path[length])) return GO_ON;
    enum answer answer = GO_ON;
    int before = errno;
    if (concerns(call) && plausible) {
        long number = ++seen;
        int every = kind == ENOSPC_ || kind == TORN || kind == READONLY;
        if (number == nth || (every && number > nth)) {
            answer = FAIL;
            if (kind == SHORT || (kind == TORN && number == nth && call == WRITE)) answer = HALF;
        }
    }
    if (trace >= 0 && plausible) {
        char line[PATH_MAX + 64];
        int size = snprintf(line, sizeof line, "%s%s %s\n", calls[call], answer == GO_ON ? "" : "!",
                            path[length] ? path + length + 1 : ".");
        syscall(SYS_write, trace, line, (size_t)size);
    }
    if (answer != GO_ON && kind == KILL) {
        syscall(SYS_kill, (int)syscall(SYS_getpid), SIGKILL);
        for (;;) pause();
    }
    errno = answer != FAIL ? before : kind == EIO_ ? EIO : kind == RENAME || kind == REFUSED ? EACCES
        : kind == READONLY ? EROFS : ENOSPC;
    return answer;
}

static void path_of_fd(int fd, char *path)
{
    char link[64];
    int before = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, PATH_MAX - 1);
    path[size > 0 ? size : 0] = 0;
    errno = before;
}

static void path_at(int folder, const char *name, char *path)
{
    char start[PATH_MAX] = "";
    if (*name == '/') {
        snprintf(path, PATH_MAX, "%s", name);
        return;
    }
    if (folder != AT_FDCWD) path_of_fd(folder, start);
    else if (!getcwd(start, sizeof start)) start[0] = 0;
    while (name[0] == '.' && name[1] == '/') name += 2;
    if (strlen(start) + strlen(name) + 2 > PATH_MAX) *path = 0;
    else sprintf(path, "%s/%s", start, name);
}

static enum answer judge_fd(enum call call, int fd)
{
    char path[PATH_MAX];
    if (!armed) return GO_ON;
    path_of_fd(fd, path);
    return judge(call, path, 1);
}

static enum answer judge_at(enum call call, int folder, const char *name)
{
    char path[PATH_MAX];
    struct stat there;
    if (!armed) return GO_ON;
    path_at(folder, name, path);
    int before = errno, exists = lstat(path, &there) == 0;
    errno = before;
    /* A call that changes nothing, since what it makes is there already or what it removes is not, is none. */
    int plausible = call == MKDIR ? !exists : call == UNLINK || call == MOVE ? exists : 1;
    return judge(call, path, plausible);
}

static int refuse_open(int folder, const char *name, int flags)
{
    char path[PATH_MAX];
    struct stat there;
    if (!armed) return 0;
    path_at(folder, name, path);
    int before = errno, exists = lstat(path, &there) == 0;
    errno = before;
    if ((flags & O_CREAT) && !exists) return judge(OPEN, path, 1) == FAIL;
    if ((flags & O_TRUNC) && (flags & O_ACCMODE) != O_RDONLY) return judge(TRUNCATE, path, exists) == FAIL;
    return 0;
}

#define MODE(flags)                                        \
    mode_t mode = 0;                                       \
    if ((flags) & (O_CREAT | __O_TMPFILE)) {               \
        va_list rest;                                      \
        va_start(rest, flags);                             \
        mode = va_arg(rest, mode_t);                       \
        va_end(rest);                                      \
    }

#define OPENER(name)                                                       \
    int name(const char *path, int flags, ...)                             \
    {                                                                      \
        MODE(flags)                                                        \
        REAL(#name, int, const char *, int, ...);                          \
        return refuse_open(AT_FDCWD, path, flags) ? -1 : real(path, flags, mode); \
    }
OPENER(open)
OPENER(open64)

#define OPENER_AT(name)                                                    \
    int name(int folder, const char *path, int flags, ...)                 \
    {                                                                      \
        MODE(flags)                                                        \
        REAL(#name, int, int, const char *, int, ...);                     \
        return refuse_open(folder, path, flags) ? -1 : real(folder, path, flags, mode); \
    }
OPENER_AT(openat)
OPENER_AT(openat64)

ssize_t write(int fd, const void *data, size_t size)
{
    REAL("write", ssize_t, int, const void *, size_t);
    enum answer answer = judge_fd(WRITE, fd);
    return answer == FAIL ? -1 : real(fd, data, answer == HALF && size > 1 ? size / 2 : size);
}

#define PWRITER(name)                                                      \
    ssize_t name(int fd, const void *data, size_t size, off_t at)          \
    {                                                                      \
        REAL(#name, ssize_t, int, const void *, size_t, off_t);            \
        enum answer answer = judge_fd(WRITE, fd);                          \
        return answer == FAIL ? -1 : real(fd, data, answer == HALF && size > 1 ? size / 2 : size, at); \
    }
PWRITER(pwrite)
PWRITER(pwrite64)

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    REAL("writev", ssize_t, int, const struct iovec *, int);
    enum answer answer = judge_fd(WRITE, fd);
    return answer == FAIL ? -1 : real(fd, parts, answer == HALF && count > 1 ? count / 2 : count);
}

int fsync(int fd)
{
    REAL("fsync", int, int);
    return judge_fd(FSYNC, fd) == FAIL ? -1 : real(fd);
}

int fdatasync(int fd)
{
    REAL("fdatasync", int, int);
    return judge_fd(FSYNC, fd) == FAIL ? -1 : real(fd);
}

int ftruncate(int fd, off_t size)
{
    REAL("ftruncate", int, int, off_t);
    return judge_fd(TRUNCATE, fd) == FAIL ? -1 : real(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    REAL("ftruncate64", int, int, off64_t);
    return judge_fd(TRUNCATE, fd) == FAIL ? -1 : real(fd, size);
}

int rename(const char *from, const char *to)
{
    REAL("rename", int, const char *, const char *);
    return judge_at(MOVE, AT_FDCWD, from) == FAIL ? -1 : real(from, to);
}

int renameat(int one, const char *from, int other, const char *to)
{
    REAL("renameat", int, int, const char *, int, const char *);
    return judge_at(MOVE, one, from) == FAIL ? -1 : real(one, from, other, to);
}

int renameat2(int one, const char *from, int other, const char *to, unsigned flags)
{
    REAL("renameat2", int, int, const char *, int, const char *, unsigned);
    return judge_at(MOVE, one, from) == FAIL ? -1 : real(one, from, other, to, flags);
}

int mkdir(const char *path, mode_t mode)
{
    REAL("mkdir", int, const char *, mode_t);
    return judge_at(MKDIR, AT_FDCWD, path) == FAIL ? -1 : real(path, mode);
}

int mkdirat(int folder, const char *path, mode_t mode)
{
    REAL("mkdirat", int, int, const char *, mode_t);
    return judge_at(MKDIR, folder, path) == FAIL ? -1 : real(folder, path, mode);
}

int unlink(const char *path)
{
    REAL("unlink", int, const char *);
    return judge_at(UNLINK, AT_FDCWD, path) == FAIL ? -1 : real(path);
}

int unlinkat(int folder, const char *path, int flags)
{
    REAL("unlinkat", int, int, const char *, int);
    return judge_at(UNLINK, folder, path) == FAIL ? -1 : real(folder, path, flags);
}

int rmdir(const char *path)
{
    REAL("rmdir", int, const char *);
    return judge_at(UNLINK, AT_FDCWD, path) == FAIL ? -1 : real(path);
}

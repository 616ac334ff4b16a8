/* Preloaded into a process under test: notes every change below a folder in the order in which it was made, with its
 * data, so that the states can be built that a power loss may leave. A sync is noted and not carried out: nothing here
 * lets the disk decide. On request the n-th change fails instead.
 *
 * LEADSTREAM_SHIM_ROOT  the folder, absolute
 * LEADSTREAM_SHIM_LOG   where the notes go, outside of it
 * LEADSTREAM_SHIM_FAIL  kind:first:count:errno:part — kind `w` (whatever takes room), `s` (syncs); the changes of that
 *                       kind from number `first` on, `count` of them, whose path contains `part`
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 1024

enum { OPEN = 1, DUP, WRITE, TRUNCATE, SYNC, RENAME, UNLINK, MKDIR, RMDIR, LINK, FAULT };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *paths[FDS];
static const char *root;
static size_t root_length;
static int log_fd = -1;

static char fail_kind;
static unsigned long fail_first, fail_count, fail_seen;
static int fail_errno, fail_short;
static char fail_part[64];

__attribute__((constructor)) static void begin(void) {
    const char *log = getenv("LEADSTREAM_SHIM_LOG");
    const char *fail = getenv("LEADSTREAM_SHIM_FAIL");
    root = getenv("LEADSTREAM_SHIM_ROOT");
    if (!root || !log) return;
    root_length = strlen(root);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) abort();
    log_fd = fd;
    if (fail && sscanf(fail, "%c:%lu:%lu:%d:%63s", &fail_kind, &fail_first, &fail_count, &fail_errno, fail_part) < 4)
        abort();
}

/* A failure to note is a failure of the test: it must not pass for a state. */
static void put(const void *data, size_t length) {
    while (length > 0) {
        ssize_t done = syscall(SYS_write, log_fd, data, length);
        if (done <= 0) abort();
        data = (const char *)data + done;
        length -= (size_t)done;
    }
}

static void note(uint8_t kind, int32_t fd, uint64_t at, const char *path, const char *other, const struct iovec *parts,
                 int count, size_t length) {
    struct __attribute__((packed)) {
        uint8_t kind;
        int32_t fd;
        uint64_t at;
        uint32_t path, other;
        uint64_t length;
    } head = {kind, fd, at, path ? (uint32_t)strlen(path) : 0, other ? (uint32_t)strlen(other) : 0, length};
    put(&head, sizeof head);
    put(path, head.path);
    put(other, head.other);
    for (int part = 0; part < count && length > 0; part++) {
        size_t take = parts[part].iov_len < length ? parts[part].iov_len : length;
        put(parts[part].iov_base, take);
        length -= take;
    }
}

/* The path below the root, or NULL; the caller frees it. */
static char *below(int folder, const char *path) {
    char *whole = NULL;
    if (log_fd < 0 || !path) return NULL;
    if (path[0] == '/') {
        if (strncmp(path, root, root_length) != 0 || (path[root_length] != '/' && path[root_length] != 0)) return NULL;
        const char *rest = path + root_length;
        while (*rest == '/') rest++;
        whole = strdup(rest);
    } else if (folder >= 0 && folder < FDS && paths[folder]) {
        if (asprintf(&whole, "%s/%s", paths[folder], path) < 0) abort();
    }
    if (whole) {
        size_t length = strlen(whole);
        while (length > 0 && whole[length - 1] == '/') whole[--length] = 0;
    }
    return whole;
}

static int tracked(int fd) { return log_fd >= 0 && fd >= 0 && fd < FDS && paths[fd]; }

/* Whether this change is one of those that fail; with the lock held. */
static int fails(char kind, const char *path) {
    if (fail_kind != kind || !strstr(path, fail_part)) return 0;
    fail_seen++;
    if (fail_seen < fail_first || fail_seen >= fail_first + fail_count) return 0;
    note(FAULT, -1, 0, path, NULL, NULL, 0, 0);
    errno = fail_errno;
    return 1;
}

static int opened(int folder, const char *path, int flags, mode_t mode) {
    char *name = below(folder, path);
    if (!name) return (int)syscall(SYS_openat, folder, path, flags, mode);
    pthread_mutex_lock(&lock);
    struct stat before;
    int is_new = flags & O_CREAT && fstatat(folder, path, &before, 0) != 0;
    int fd = is_new && fails('w', name) ? -1 : (int)syscall(SYS_openat, folder, path, flags, mode);
    if (fd >= FDS) abort();
    if (fd >= 0) {
        int error = errno;
        free(paths[fd]);
        paths[fd] = name;
        note(OPEN, fd, (uint64_t)(is_new ? 1 : 0) | (uint64_t)(flags & O_TRUNC ? 2 : 0), name, NULL, NULL, 0, 0);
        errno = error;
    } else {
        int error = errno;
        free(name);
        errno = error;
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

#define OPENS(name)                                                                                                    \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;                                        \
        va_end(rest);                                                                                                  \
        return opened(AT_FDCWD, path, flags, mode);                                                                    \
    }
#define OPENS_AT(name)                                                                                                 \
    int name(int folder, const char *path, int flags, ...) {                                                           \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;                                        \
        va_end(rest);                                                                                                  \
        return opened(folder, path, flags, mode);                                                                      \
    }
OPENS(open)
OPENS(open64)
OPENS_AT(openat)
OPENS_AT(openat64)

int close(int fd) {
    if (tracked(fd)) {
        pthread_mutex_lock(&lock);
        free(paths[fd]);
        paths[fd] = NULL;
        int done = (int)syscall(SYS_close, fd);
        pthread_mutex_unlock(&lock);
        return done;
    }
    return (int)syscall(SYS_close, fd);
}

static int copied(int fd, int copy) {
    if (copy >= 0 && tracked(fd)) {
        pthread_mutex_lock(&lock);
        if (copy >= FDS) abort();
        free(paths[copy]);
        paths[copy] = strdup(paths[fd]);
        note(DUP, copy, (uint64_t)fd, NULL, NULL, NULL, 0, 0);
        pthread_mutex_unlock(&lock);
    }
    return copy;
}

int dup(int fd) { return copied(fd, (int)syscall(SYS_dup, fd)); }

#define CONTROLS(name)                                                                                                 \
    int name(int fd, int command, ...) {                                                                               \
        va_list rest;                                                                                                  \
        va_start(rest, command);                                                                                       \
        long argument = va_arg(rest, long);                                                                            \
        va_end(rest);                                                                                                  \
        int done = (int)syscall(SYS_fcntl, fd, command, argument);                                                     \
        return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? copied(fd, done) : done;                             \
    }
CONTROLS(fcntl)
CONTROLS(fcntl64)

/* `at` below 0: at the file's own place, which moves. */
static ssize_t written(int fd, const struct iovec *parts, int count, off_t at) {
    pthread_mutex_lock(&lock);
    size_t length = 0;
    for (int part = 0; part < count; part++) length += parts[part].iov_len;
    ssize_t done = -1;
    struct iovec half = {parts[0].iov_base, parts[0].iov_len / 2};
    if (fail_short && strstr(paths[fd], fail_part)) {
        fail_short = 0;
        errno = fail_errno;
        goto end;
    }
    if (fails('w', paths[fd])) {
        /* A full disk takes the first part, and refuses the rest when it is tried. */
        if (fail_errno != ENOSPC || half.iov_len == 0) goto end;
        fail_short = 1;
        parts = &half;
        count = 1;
    }
    off_t place = at;
    if (at < 0) place = lseek(fd, 0, syscall(SYS_fcntl, fd, F_GETFL) & O_APPEND ? SEEK_END : SEEK_CUR);
    done = at < 0 ? syscall(SYS_writev, fd, parts, count) : syscall(SYS_pwritev, fd, parts, count, at, 0);
    if (done > 0) note(WRITE, fd, (uint64_t)place, NULL, NULL, parts, count, (size_t)done);
end:
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t write(int fd, const void *data, size_t length) {
    if (!tracked(fd)) return syscall(SYS_write, fd, data, length);
    struct iovec part = {(void *)data, length};
    return written(fd, &part, 1, -1);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (!tracked(fd) || count <= 0) return syscall(SYS_writev, fd, parts, count);
    return written(fd, parts, count, -1);
}

#define PWRITES(name)                                                                                                  \
    ssize_t name(int fd, const void *data, size_t length, off_t at) {                                                  \
        if (!tracked(fd)) return syscall(SYS_pwrite64, fd, data, length, at);                                          \
        struct iovec part = {(void *)data, length};                                                                    \
        return written(fd, &part, 1, at);                                                                              \
    }
PWRITES(pwrite)
PWRITES(pwrite64)

static int cut(int fd, off_t length) {
    if (!tracked(fd)) return (int)syscall(SYS_ftruncate, fd, length);
    pthread_mutex_lock(&lock);
    int done = (int)syscall(SYS_ftruncate, fd, length);
    if (done == 0) note(TRUNCATE, fd, (uint64_t)length, NULL, NULL, NULL, 0, 0);
    pthread_mutex_unlock(&lock);
    return done;
}
int ftruncate(int fd, off_t length) { return cut(fd, length); }
int ftruncate64(int fd, off_t length) { return cut(fd, length); }

static int synced(int fd, long call) {
    if (!tracked(fd)) return (int)syscall(call, fd);
    pthread_mutex_lock(&lock);
    int failed = fails('s', paths[fd]);
    if (!failed) note(SYNC, fd, 0, NULL, NULL, NULL, 0, 0);
    pthread_mutex_unlock(&lock);
    return failed ? -1 : 0;
}
int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

/* Calls that would pass by unseen: whoever calls them is told that there is no such thing, and takes another way. */
int fallocate(int fd, int mode, off_t at, off_t length) {
    if (tracked(fd)) return errno = EOPNOTSUPP, -1;
    return (int)syscall(SYS_fallocate, fd, mode, at, length);
}
int fallocate64(int fd, int mode, off_t at, off_t length) { return fallocate(fd, mode, at, length); }
ssize_t copy_file_range(int from, off_t *from_at, int to, off_t *to_at, size_t length, unsigned flags) {
    if (tracked(to)) return errno = ENOSYS, -1;
    return syscall(SYS_copy_file_range, from, from_at, to, to_at, length, flags);
}
ssize_t sendfile64(int to, int from, off_t *at, size_t length) {
    if (tracked(to)) return errno = ENOSYS, -1;
    return syscall(SYS_sendfile, to, from, at, length);
}

int renameat(int folder, const char *path, int other_folder, const char *other) {
    char *from = below(folder, path), *to = below(other_folder, other);
    pthread_mutex_lock(&lock);
    int done = to && fails('w', to) ? -1 : (int)syscall(SYS_renameat, folder, path, other_folder, other);
    int error = errno;
    if (done == 0 && from && to) note(RENAME, -1, 0, from, to, NULL, 0, 0);
    pthread_mutex_unlock(&lock);
    free(from);
    free(to);
    errno = error;
    return done;
}
int rename(const char *path, const char *other) { return renameat(AT_FDCWD, path, AT_FDCWD, other); }

int linkat(int folder, const char *path, int other_folder, const char *other, int flags) {
    char *from = below(folder, path), *to = below(other_folder, other);
    pthread_mutex_lock(&lock);
    int done = to && fails('w', to) ? -1 : (int)syscall(SYS_linkat, folder, path, other_folder, other, flags);
    int error = errno;
    if (done == 0 && from && to) note(LINK, -1, 0, from, to, NULL, 0, 0);
    pthread_mutex_unlock(&lock);
    free(from);
    free(to);
    errno = error;
    return done;
}
int link(const char *path, const char *other) { return linkat(AT_FDCWD, path, AT_FDCWD, other, 0); }

int unlinkat(int folder, const char *path, int flags) {
    char *name = below(folder, path);
    pthread_mutex_lock(&lock);
    int done = (int)syscall(SYS_unlinkat, folder, path, flags);
    int error = errno;
    if (done == 0 && name) note(flags & AT_REMOVEDIR ? RMDIR : UNLINK, -1, 0, name, NULL, NULL, 0, 0);
    pthread_mutex_unlock(&lock);
    free(name);
    errno = error;
    return done;
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int folder, const char *path, mode_t mode) {
    char *name = below(folder, path);
    pthread_mutex_lock(&lock);
    int done = name && fails('w', name) ? -1 : (int)syscall(SYS_mkdirat, folder, path, mode);
    int error = errno;
    if (done == 0 && name) note(MKDIR, -1, 0, name, NULL, NULL, 0, 0);
    pthread_mutex_unlock(&lock);
    free(name);
    errno = error;
    return done;
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

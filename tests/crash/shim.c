/*
 * Kills (or stops) its own process at the Nth call that changes a file below one watched folder, or lets the disk be full
 * from there on, or records those calls.
 *
 * Preloaded into the warmed parent of tests/killing.py. Idle until a forked child calls crash_arm() or crash_record().
 * Only the calls that SQLite and CPython make are interposed; a call inside libc itself does not pass here, nor does
 * mmap (SQLite maps only -shm, which it rebuilds by itself).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

/* Must match Entry in tests/crash/power_loss.py. */
struct __attribute__((packed)) entry {
    char op;
    uint16_t path_bytes, other_bytes;
    int64_t offset;
    uint32_t data_bytes;
};

static char watched[PATH_MAX];
static size_t watched_bytes;
static long kill_at;
static enum { KILL, HALVE, STOP, FILL } how;
static int log_fd = -1;
static pid_t group;
static atomic_long calls;
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;

static void watch(const char *folder) {
    snprintf(watched, sizeof watched, "%s", folder);
    watched_bytes = strlen(watched);
    group = getpgrp() == getpid() ? getpid() : 0;
    atomic_store(&calls, 0);
}

void crash_arm(const char *folder, long at, int manner) {
    kill_at = at;
    how = manner;
    watch(folder);
}

long crash_count(void) { return atomic_load(&calls); }

static void append(char op, const char *path, const char *other, int64_t offset, const void *data, size_t bytes) {
    if (log_fd < 0) return;
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    struct entry head = {op, (uint16_t)strlen(path), (uint16_t)strlen(other), offset, (uint32_t)bytes};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)path, head.path_bytes}, {(void *)other, head.other_bytes},
                            {(void *)data, bytes}};
    int saved = errno;
    if (real(log_fd, parts, 4) != (ssize_t)(sizeof head + head.path_bytes + head.other_bytes + bytes)) abort();
    errno = saved;
}

void crash_record(const char *log_path) {
    REAL(int, "open64", const char *, int, ...);
    log_fd = real(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0) abort();
}

void crash_disarm(void) { watched_bytes = 0; }

/* Notes something that the child told the outside, such as an acknowledged commit, at its place in the record. */
void crash_mark(const char *text) {
    pthread_mutex_lock(&order);
    append('A', text, "", 0, "", 0);
    pthread_mutex_unlock(&order);
}

static int below(const char *path) {
    return watched_bytes && !strncmp(path, watched, watched_bytes) &&
           (path[watched_bytes] == '/' || path[watched_bytes] == 0) && !strstr(path, " (deleted)");
}

static int path_of(int fd, char *out) {
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t bytes = readlink(link, out, PATH_MAX - 1);
    out[bytes > 0 ? bytes : 0] = 0;
    return bytes > 0;
}

static void absolute(int folder_fd, const char *path, char *out) {
    char base[PATH_MAX];
    if (path[0] == '/') { snprintf(out, PATH_MAX, "%s", path); return; }
    if (folder_fd == AT_FDCWD) { if (!getcwd(base, sizeof base)) base[0] = 0; }
    else path_of(folder_fd, base);
    if (snprintf(out, PATH_MAX, "%s/%s", base, path) >= PATH_MAX) out[0] = 0;
}

static void die(void) {
    kill(group ? -group : getpid(), how == STOP ? SIGSTOP : SIGKILL);
    while (how != STOP) pause();
}

/* Counts a call; true when it is the fatal one. */
static int fatal(void) { return atomic_fetch_add(&calls, 1) + 1 == kill_at && how != FILL; }

static void count(void) { if (fatal()) die(); }

/* Asked after the call was counted: whether the disk is full by now. What is there can still be overwritten or removed. */
static int full(void) { return how == FILL && kill_at && atomic_load(&calls) >= kill_at; }

static int grows(int fd, size_t bytes, off64_t offset) {
    struct stat now;
    off64_t at = offset < 0 ? lseek64(fd, 0, SEEK_CUR) : offset;
    return fstat(fd, &now) || at + (off64_t)bytes > now.st_size;
}

/* A changing call on paths: count it (dying if it is the one), make it, record it, in one order for all threads. */
#define CHANGE(op, path, other, offset, invocation) \
    do { \
        int here = below(path) || below(other); \
        if (here) { \
            count(); \
            if (strchr("CML", op) && full()) { errno = ENOSPC; return -1; } \
            pthread_mutex_lock(&order); \
        } \
        __typeof__(invocation) result = (invocation); \
        if (here) { \
            if (result >= 0) append(op, path, other, offset, "", 0); \
            pthread_mutex_unlock(&order); \
        } \
        return result; \
    } while (0)

#define CHANGE_FD(op, fd, offset, invocation) \
    do { \
        char path[PATH_MAX] = ""; \
        if (watched_bytes) path_of(fd, path); \
        CHANGE(op, path, "", offset, invocation); \
    } while (0)

#define CHANGE_AT(op, folder_fd, name, invocation) \
    do { \
        char path[PATH_MAX] = ""; \
        if (watched_bytes) absolute(folder_fd, name, path); \
        CHANGE(op, path, "", 0, invocation); \
    } while (0)

#define CHANGE_TWO(op, from_fd, from, to_fd, to, invocation) \
    do { \
        char path[PATH_MAX] = "", other[PATH_MAX] = ""; \
        if (watched_bytes) { absolute(from_fd, from, path); absolute(to_fd, to, other); } \
        CHANGE(op, path, other, 0, invocation); \
    } while (0)

static ssize_t write_here(int fd, const void *data, size_t bytes, off64_t offset) {
    REAL(ssize_t, "write", int, const void *, size_t);
    static ssize_t (*real_at)(int, const void *, size_t, off64_t);
    if (!real_at) real_at = (ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    char path[PATH_MAX];
    if (!watched_bytes || !path_of(fd, path) || !below(path))
        return offset < 0 ? real(fd, data, bytes) : real_at(fd, data, bytes, offset);
    if (fatal()) {
        if (how == HALVE && (offset < 0 ? real(fd, data, bytes / 2) : real_at(fd, data, bytes / 2, offset)) < 0) abort();
        die();
    }
    if (full() && grows(fd, bytes, offset)) { errno = ENOSPC; return -1; }
    pthread_mutex_lock(&order);
    ssize_t result = offset < 0 ? real(fd, data, bytes) : real_at(fd, data, bytes, offset);
    if (result > 0) append('W', path, "", offset < 0 ? lseek64(fd, 0, SEEK_CUR) - result : offset, data, (size_t)result);
    pthread_mutex_unlock(&order);
    return result;
}

ssize_t write(int fd, const void *data, size_t bytes) { return write_here(fd, data, bytes, -1); }
ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset) { return write_here(fd, data, bytes, offset); }
ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t at) { return write_here(fd, data, bytes, at); }

/* A vector goes out as its first part: a short write, which every correct caller continues. */
ssize_t writev(int fd, const struct iovec *parts, int number) {
    char path[PATH_MAX];
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    if (!watched_bytes || !path_of(fd, path) || !below(path)) return real(fd, parts, number);
    int first = 0;
    while (first < number - 1 && !parts[first].iov_len) first++;
    return write_here(fd, parts[first].iov_base, parts[first].iov_len, -1);
}

/* Copies inside the kernel: the bytes are read back for the record. Refused when counted, so that callers fall back. */
#define KERNEL_COPY(fd, invocation) \
    do { \
        char path[PATH_MAX]; \
        if (watched_bytes && path_of(fd, path) && below(path)) { errno = EINVAL; return -1; } \
        return invocation; \
    } while (0)

ssize_t sendfile(int out, int in, off_t *offset, size_t bytes) {
    REAL(ssize_t, "sendfile", int, int, off_t *, size_t);
    KERNEL_COPY(out, real(out, in, offset, bytes));
}
ssize_t sendfile64(int out, int in, off64_t *offset, size_t bytes) {
    REAL(ssize_t, "sendfile64", int, int, off64_t *, size_t);
    KERNEL_COPY(out, real(out, in, offset, bytes));
}
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t bytes, unsigned flags) {
    REAL(ssize_t, "copy_file_range", int, off64_t *, int, off64_t *, size_t, unsigned);
    KERNEL_COPY(out, real(in, from, out, to, bytes, flags));
}

int fsync(int fd) { REAL(int, "fsync", int); CHANGE_FD('S', fd, 0, real(fd)); }
int fdatasync(int fd) { REAL(int, "fdatasync", int); CHANGE_FD('s', fd, 0, real(fd)); }
int syncfs(int fd) { REAL(int, "syncfs", int); CHANGE_FD('F', fd, 0, real(fd)); }
int ftruncate(int fd, off_t size) { REAL(int, "ftruncate", int, off_t); CHANGE_FD('T', fd, size, real(fd, size)); }
int ftruncate64(int fd, off64_t size) {
    REAL(int, "ftruncate64", int, off64_t);
    CHANGE_FD('T', fd, size, real(fd, size));
}
int fchmod(int fd, mode_t mode) { REAL(int, "fchmod", int, mode_t); CHANGE_FD('H', fd, mode, real(fd, mode)); }
int chmod(const char *name, mode_t mode) {
    REAL(int, "chmod", const char *, mode_t);
    CHANGE_AT('H', AT_FDCWD, name, real(name, mode));
}
int fchmodat(int folder, const char *name, mode_t mode, int flags) {
    REAL(int, "fchmodat", int, const char *, mode_t, int);
    CHANGE_AT('H', folder, name, real(folder, name, mode, flags));
}
int unlink(const char *name) {
    REAL(int, "unlink", const char *);
    CHANGE_AT('U', AT_FDCWD, name, real(name));
}
int unlinkat(int folder, const char *name, int flags) {
    REAL(int, "unlinkat", int, const char *, int);
    CHANGE_AT(flags & AT_REMOVEDIR ? 'D' : 'U', folder, name, real(folder, name, flags));
}
int rmdir(const char *name) { REAL(int, "rmdir", const char *); CHANGE_AT('D', AT_FDCWD, name, real(name)); }
int mkdir(const char *name, mode_t mode) {
    REAL(int, "mkdir", const char *, mode_t);
    CHANGE_AT('M', AT_FDCWD, name, real(name, mode));
}
int mkdirat(int folder, const char *name, mode_t mode) {
    REAL(int, "mkdirat", int, const char *, mode_t);
    CHANGE_AT('M', folder, name, real(folder, name, mode));
}
int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    CHANGE_TWO('R', AT_FDCWD, from, AT_FDCWD, to, real(from, to));
}
int renameat(int from_fd, const char *from, int to_fd, const char *to) {
    REAL(int, "renameat", int, const char *, int, const char *);
    CHANGE_TWO('R', from_fd, from, to_fd, to, real(from_fd, from, to_fd, to));
}
int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags) {
    REAL(int, "renameat2", int, const char *, int, const char *, unsigned);
    CHANGE_TWO('R', from_fd, from, to_fd, to, real(from_fd, from, to_fd, to, flags));
}
int link(const char *from, const char *to) {
    REAL(int, "link", const char *, const char *);
    CHANGE_TWO('L', AT_FDCWD, from, AT_FDCWD, to, real(from, to));
}
int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags) {
    REAL(int, "linkat", int, const char *, int, const char *, int);
    CHANGE_TWO('L', from_fd, from, to_fd, to, real(from_fd, from, to_fd, to, flags));
}

/* Opening changes the folder when it creates, and the file when it truncates; else it passes untouched. */
static int open_here(int folder, const char *name, int flags, mode_t mode) {
    REAL(int, "openat64", int, const char *, int, ...);
    struct stat before;
    if (!watched_bytes || !(flags & (O_CREAT | O_TRUNC)) || (flags & O_TMPFILE) == O_TMPFILE)
        return real(folder, name, flags, mode);
    int there = !fstatat(folder, name, &before, 0);
    if (there && (!(flags & O_TRUNC) || !before.st_size || (flags & O_EXCL))) return real(folder, name, flags, mode);
    if (!there && !(flags & O_CREAT)) return real(folder, name, flags, mode);
    CHANGE_AT(there ? 'T' : 'C', folder, name, real(folder, name, flags, mode));
}

#define OPEN(folder, name, flags) \
    va_list rest; \
    va_start(rest, flags); \
    mode_t mode = (flags) & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
    va_end(rest); \
    return open_here(folder, name, flags, mode)

int open(const char *name, int flags, ...) { OPEN(AT_FDCWD, name, flags); }
int open64(const char *name, int flags, ...) { OPEN(AT_FDCWD, name, flags); }
int openat(int folder, const char *name, int flags, ...) { OPEN(folder, name, flags); }
int openat64(int folder, const char *name, int flags, ...) { OPEN(folder, name, flags); }

/* file.c - files: read whole, mapped, written aside and renamed, appended to.
 *
 * Writing a file so that a crash leaves the old or the new:
 *     PATH.tmp written ─► fsync ─► rename to PATH ─► fsync of the folder
 * Until the rename PATH is untouched; a failure before it removes PATH.tmp. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PENDING_BYTES = 1 << 18, MODE_OF_FILES = 0666 }; /* less the umask */

static int real_open(const char *path, int flags, int mode) { return open(path, flags | O_CLOEXEC, mode); }
static int real_mkdir(const char *path, int mode) { return mkdir(path, (mode_t)mode); }
file_ops file_io = {real_open, read, write, fsync, close, rename, unlink, real_mkdir};

bool file_exists(const char *path) { return access(path, F_OK) == 0; }

bool file_is_dir(const char *path) {
    struct stat s;
    return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

int64_t file_size(const char *path) {
    struct stat s;
    return stat(path, &s) == 0 ? (int64_t)s.st_size : -1;
}

/* Opens to read; a folder is an error here, not at the first read. */
static int open_to_read(const char *path, struct stat *s, err *e) {
    const int fd = file_io.open(path, O_RDONLY, 0);
    if (fd < 0) {
        const err_code code = errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO;
        return err_errno(e, code, "cannot read %s", path), -1;
    }
    if (fstat(fd, s) != 0) {
        err_errno(e, ERR_IO, "cannot look at %s", path);
    } else if (S_ISDIR(s->st_mode)) {
        err_set(e, ERR_INPUT, "expected a file, but %s is a folder", path);
    } else return fd;
    file_io.close(fd);
    return -1;
}

static ssize_t read_some(int fd, void *data, size_t size) {
    ssize_t n;
    do n = file_io.read(fd, data, size);
    while (n < 0 && errno == EINTR);
    return n;
}

/* Reads at most `size` bytes; fewer come only at the end of the file. */
static bool read_full(int fd, const char *path, char *data, size_t size, size_t *got, err *e) {
    *got = 0;
    while (*got < size) {
        const ssize_t n = read_some(fd, data + *got, size - *got);
        if (n < 0) return err_errno(e, ERR_IO, "cannot read %s", path);
        if (n == 0) break;
        *got += (size_t)n;
    }
    return true;
}

/* Pipes and /proc have no size: they are read until they end. */
static bool read_stream(arena *a, int fd, const char *path, size_t max_bytes, str *out, err *e) {
    buf data = {0};
    size_t got;
    bool ok;
    do {
        buf_reserve(&data, PENDING_BYTES);
        ok = read_full(fd, path, data.ptr + data.len, PENDING_BYTES, &got, e);
        data.len += got;
        if (ok && data.len > max_bytes)
            ok = err_set(e, ERR_LIMIT, "%s is longer than the %zu bytes allowed here", path, max_bytes);
    } while (ok && got == PENDING_BYTES);
    if (ok) *out = (str){arena_copy(a, data.ptr, data.len), data.len};
    buf_free(&data);
    return ok;
}

static bool read_known(arena *a, int fd, const char *path, size_t size, size_t max_bytes, str *out, err *e) {
    if (size > max_bytes) return err_set(e, ERR_LIMIT, "%s has %zu bytes; at most %zu are allowed here", path, size, max_bytes);
    char *data = arena_alloc(a, size + 1);
    return read_full(fd, path, data, size, &out->len, e) && (out->ptr = data);
}

bool file_read(arena *a, const char *path, size_t max_bytes, str *out, err *e) {
    struct stat s;
    const int fd = open_to_read(path, &s, e);
    if (fd < 0) return false;
    const bool known = S_ISREG(s.st_mode) && s.st_size > 0;
    const bool ok =
        known ? read_known(a, fd, path, (size_t)s.st_size, max_bytes, out, e) : read_stream(a, fd, path, max_bytes, out, e);
    file_io.close(fd);
    return ok;
}

typedef struct {
    void *at;
    size_t size;
} mapping;

static void unmap(void *thing) {
    const mapping *m = thing;
    munmap(m->at, m->size);
}

bool file_map(arena *a, const char *path, str *out, err *e) {
    struct stat s;
    const int fd = open_to_read(path, &s, e);
    if (fd < 0) return false;
    *out = STR("");
    bool ok = true;
    if (s.st_size > 0) {
        mapping *m = arena_new_of(a, mapping);
        m->size = (size_t)s.st_size;
        m->at = mmap(NULL, m->size, PROT_READ, MAP_SHARED, fd, 0);
        ok = m->at != MAP_FAILED || err_errno(e, ERR_IO, "cannot map %s", path);
        if (ok) {
            arena_defer(a, unmap, m);
            *out = (str){m->at, m->size};
        }
    }
    file_io.close(fd);
    return ok;
}

static bool write_all(int fd, const char *path, const void *data, size_t size, err *e) {
    const char *at = data;
    while (size) {
        const ssize_t n = file_io.write(fd, at, size);
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) errno = ENOSPC;
        if (n <= 0) return err_errno(e, ERR_IO, "cannot write %s", path);
        at += n;
        size -= (size_t)n;
    }
    return true;
}

bool file_write(const char *path, str data, err *e) {
    file_out f;
    if (!file_out_open(&f, path, e)) return false;
    if (file_out_put(&f, data.ptr, data.len, e)) return file_out_commit(&f, e);
    file_out_abandon(&f);
    return false;
}

bool file_copy(const char *from, const char *to, err *e) {
    arena *a = arena_new();
    str data;
    const bool ok = file_map(a, from, &data, e) && file_write(to, data, e);
    arena_free(a);
    return ok;
}

static char *heap_text(const char *text, const char *suffix) {
    const size_t size = strlen(text) + strlen(suffix) + 1;
    char *copy = memory_alloc(size);
    snprintf(copy, size, "%s%s", text, suffix);
    return copy;
}

static void forget(file_out *f) {
    memory_release(f->path);
    memory_release(f->temporary);
    buf_free(&f->pending);
    *f = (file_out){.fd = -1};
}

bool file_out_open(file_out *f, const char *path, err *e) {
    *f = (file_out){.path = heap_text(path, ""), .temporary = heap_text(path, ".tmp")};
    f->fd = file_io.open(f->temporary, O_WRONLY | O_CREAT | O_TRUNC, MODE_OF_FILES);
    if (f->fd >= 0) return true;
    err_errno(e, ERR_IO, "cannot create %s", f->temporary);
    forget(f);
    return false;
}

static bool flush_pending(file_out *f, err *e) {
    if (f->failed) return err_set(e, ERR_IO, "an earlier write of %s failed", f->temporary);
    f->failed = !write_all(f->fd, f->temporary, f->pending.ptr, f->pending.len, e);
    buf_clear(&f->pending);
    return !f->failed;
}

bool file_out_put(file_out *f, const void *data, size_t size, err *e) {
    f->written += size;
    if (size < PENDING_BYTES && !f->failed) {
        buf_put(&f->pending, data, size);
        return f->pending.len < PENDING_BYTES || flush_pending(f, e);
    }
    if (!flush_pending(f, e)) return false;
    f->failed = !write_all(f->fd, f->temporary, data, size, e);
    return !f->failed;
}

bool file_out_commit(file_out *f, err *e) {
    bool ok = flush_pending(f, e);
    if (ok && file_io.sync(f->fd) != 0) ok = err_errno(e, ERR_IO, "cannot bring %s to the disk", f->temporary);
    const int fd = f->fd;
    f->fd = -1;
    if (file_io.close(fd) != 0 && ok) ok = err_errno(e, ERR_IO, "cannot close %s", f->temporary);
    if (ok && file_io.rename(f->temporary, f->path) != 0)
        ok = err_errno(e, ERR_IO, "cannot rename %s to %s", f->temporary, f->path);
    if (!ok) {
        file_out_abandon(f);
        return false;
    }
    arena *a = arena_new();
    ok = dir_sync(path_folder(a, f->path), e);
    arena_free(a);
    forget(f);
    return ok;
}

void file_out_abandon(file_out *f) {
    if (f->fd >= 0) file_io.close(f->fd);
    if (f->temporary) file_io.unlink(f->temporary);
    forget(f);
}

int file_append_open(const char *path, err *e) {
    const int fd = file_io.open(path, O_WRONLY | O_CREAT | O_APPEND, MODE_OF_FILES);
    if (fd < 0) err_errno(e, ERR_IO, "cannot append to %s", path);
    return fd;
}

bool file_append(int fd, str data, err *e) { return write_all(fd, "a log", data.ptr, data.len, e); }

void file_close(int fd) {
    if (fd >= 0) file_io.close(fd);
}

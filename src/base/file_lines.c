/* file_lines.c - the lines of a file of any size in bounded memory.
 *
 *     data:  [ returned | begin ... unread ... end |  free  ] capacity
 *
 * The buffer grows to at most max_line plus the line's end; what was returned is moved out before more is read. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/sys.h"

enum { FIRST_CAPACITY = 1 << 16 };

bool file_lines_open(file_lines *l, const char *path, size_t max_line, err *e) {
    *l = (file_lines){.fd = 0, .path = path, .max_line = max_line};
    if (strcmp(path, "-") == 0) {
        l->path = "standard input";
    } else if (file_is_dir(path)) {
        return err_set(e, ERR_INPUT, "expected a file, but %s is a folder", path);
    } else if ((l->fd = file_io.open(path, O_RDONLY, 0)) < 0) {
        return err_errno(e, errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO, "cannot read %s", path);
    }
    l->capacity = FIRST_CAPACITY;
    l->data = memory_alloc(l->capacity);
    return true;
}

/* Makes room behind `end` and reads into it. */
static bool read_more(file_lines *l, err *e) {
    memmove(l->data, l->data + l->begin, l->end - l->begin);
    l->end -= l->begin;
    l->begin = 0;
    if (l->end == l->capacity) {
        l->capacity *= 2;
        l->data = memory_resize(l->data, l->capacity);
    }
    ssize_t n;
    do n = file_io.read(l->fd, l->data + l->end, l->capacity - l->end);
    while (n < 0 && errno == EINTR && !sys_stop_requested());
    if (n < 0 && errno == EINTR) return err_set(e, ERR_STOPPED, "stopped while reading %s", l->path);
    if (n < 0) return err_errno(e, ERR_IO, "cannot read %s", l->path);
    l->at_end = n == 0;
    l->end += (size_t)n;
    return true;
}

static bool take(file_lines *l, size_t length, size_t with_end, str *line, err *e) {
    const char *text = l->data + l->begin;
    l->line++;
    l->begin += with_end;
    if (length && with_end > length && text[length - 1] == '\r') length--;
    if (length > l->max_line)
        return err_set(e, ERR_LIMIT, "%s: line %lld is longer than the %zu bytes allowed", l->path, (long long)l->line,
                       l->max_line);
    *line = (str){text, length};
    return true;
}

bool file_lines_next(file_lines *l, str *line, err *e) {
    size_t searched = 0; /* bytes behind begin that hold no line end */
    for (;;) {
        const size_t unread = l->end - l->begin;
        const char *hit = unread > searched ? memchr(l->data + l->begin + searched, '\n', unread - searched) : NULL;
        if (hit) {
            const size_t length = (size_t)(hit - (l->data + l->begin));
            return take(l, length, length + 1, line, e);
        }
        if (l->at_end) return unread > 0 && take(l, unread, unread, line, e);
        if (unread > l->max_line && unread - l->max_line > 1) return take(l, unread, unread, line, e); /* fails: too long */
        searched = unread;
        if (!read_more(l, e)) return false;
    }
}

void file_lines_close(file_lines *l) {
    if (l->fd > 0) file_io.close(l->fd);
    memory_release(l->data);
    *l = (file_lines){.fd = -1};
}

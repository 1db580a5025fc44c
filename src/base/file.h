/* file.h - files: whole, mapped, by lines, written so that a crash leaves the old or the new.
 *
 * All of the program's file I/O that can fail goes through the table `file_io`, so that tests fail the Nth call. */
#ifndef FETTLE_BASE_FILE_H
#define FETTLE_BASE_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

typedef struct {
    int (*open)(const char *path, int flags, int mode);
    ssize_t (*read)(int fd, void *data, size_t size);
    ssize_t (*write)(int fd, const void *data, size_t size);
    int (*sync)(int fd);
    int (*close)(int fd);
    int (*rename)(const char *from, const char *to);
    int (*unlink)(const char *path);
    int (*mkdir)(const char *path, int mode);
} file_ops;
extern file_ops file_io;

bool file_exists(const char *path);
bool file_is_dir(const char *path);
int64_t file_size(const char *path); /* -1: not there */

/* The whole file, NUL behind it; ERR_NOT_FOUND, ERR_LIMIT over max_bytes. */
bool file_read(arena *a, const char *path, size_t max_bytes, str *out, err *e);

/* A read-only mapping; unmapped when the arena is freed. An empty file gives an empty view. */
bool file_map(arena *a, const char *path, str *out, err *e);

/* Writes PATH.tmp, fsyncs, renames, fsyncs the folder: after a crash there is the old file or the new one. */
bool file_write(const char *path, str data, err *e);
bool file_copy(const char *from, const char *to, err *e); /* the same with what another file holds */

/* Files written in pieces: out_open ... out_put ... out_commit (fsync, rename) or out_abandon (removes the part). */
typedef struct {
    int fd;
    char *path, *temporary;
    buf pending;
    uint64_t written; /* bytes put so far */
    bool failed;
} file_out;
bool file_out_open(file_out *f, const char *path, err *e);
bool file_out_put(file_out *f, const void *data, size_t size, err *e);
bool file_out_commit(file_out *f, err *e);
void file_out_abandon(file_out *f);

/* Appends one line durably enough for logs (a single write; no fsync). fd from file_append_open. */
int file_append_open(const char *path, err *e); /* -1 on failure */
bool file_append(int fd, str data, err *e);
void file_close(int fd);

/* Lines of a file of any size, in bounded memory ("-" is standard input). Ends: LF or CRLF. A line over max_line is ERR_LIMIT. */
typedef struct {
    int fd;
    const char *path;
    char *data;
    size_t begin, end, capacity, max_line;
    int64_t line; /* number of the line last returned, from 1 */
    bool at_end;
} file_lines;
bool file_lines_open(file_lines *l, const char *path, size_t max_line, err *e);
bool file_lines_next(file_lines *l, str *line, err *e); /* false: end (e->code == 0) or error */
void file_lines_close(file_lines *l);

bool dir_make(const char *path, err *e); /* with parents, mode 0700 for new ones */
bool dir_sync(const char *path, err *e);
bool dir_remove(const char *path, err *e);                                    /* with all it holds; missing is fine */
bool dir_list(arena *a, const char *path, char ***names, int *count, err *e); /* sorted, without . and .. */
char *path_join(arena *a, const char *folder, const char *name);
char *path_absolute(arena *a, const char *path); /* from the root on; links stay as they are */
const char *path_name(const char *path);         /* last part */
char *path_folder(arena *a, const char *path);

/* SHA-256 of a file or of bytes as 64 hexadecimal digits. */
typedef char sha256_text[65];
bool file_sha256(const char *path, sha256_text out, err *e);
void bytes_sha256(const void *data, size_t size, sha256_text out);

#endif

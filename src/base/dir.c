/* dir.c - folders and paths. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

char *path_join(arena *a, const char *folder, const char *name) {
    const size_t length = strlen(folder);
    if (length == 0) return arena_text(a, name);
    return arena_printf(a, "%s%s%s", folder, folder[length - 1] == '/' ? "" : "/", name);
}

char *path_absolute(arena *a, const char *path) {
    char here[PATH_MAX];
    if (*path == '/' || !getcwd(here, sizeof here)) return arena_text(a, path);
    while (strncmp(path, "./", 2) == 0) path += 2;
    return path_join(a, here, path);
}

const char *path_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *path_folder(arena *a, const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return arena_text(a, ".");
    return slash == path ? arena_text(a, "/") : arena_copy(a, path, (size_t)(slash - path));
}

static bool make_one(const char *path, err *e) {
    if (file_io.mkdir(path, 0700) == 0) return true;
    const int why = errno;
    if (file_is_dir(path)) return true;
    errno = why;
    return err_errno(e, ERR_IO, "cannot make the folder %s", path);
}

bool dir_make(const char *path, err *e) {
    if (!*path || file_is_dir(path)) return true;
    arena *a = arena_new();
    char *part = arena_text(a, path);
    bool ok = true;
    for (char *p = part + 1; ok && *p; p++) {
        if (*p != '/') continue;
        *p = '\0';
        ok = file_is_dir(part) || make_one(part, e);
        *p = '/';
    }
    ok = ok && make_one(path, e);
    arena_free(a);
    return ok;
}

bool dir_sync(const char *path, err *e) {
    const int fd = file_io.open(path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) return err_errno(e, ERR_IO, "cannot open the folder %s", path);
    const bool ok = file_io.sync(fd) == 0 || errno == EINVAL || /* a file system without sync of folders */
                    err_errno(e, ERR_IO, "cannot bring the folder %s to the disk", path);
    file_io.close(fd);
    return ok;
}

bool dir_remove(const char *path, err *e) {
    struct stat s;
    if (lstat(path, &s) != 0) return errno == ENOENT || err_errno(e, ERR_IO, "cannot look at %s", path);
    if (!S_ISDIR(s.st_mode)) /* links are removed, never followed */
        return file_io.unlink(path) == 0 || errno == ENOENT || err_errno(e, ERR_IO, "cannot remove %s", path);
    arena *a = arena_new();
    char **names;
    int count;
    bool ok = dir_list(a, path, &names, &count, e);
    for (int i = 0; ok && i < count; i++) ok = dir_remove(path_join(a, path, names[i]), e);
    arena_free(a);
    return ok && (rmdir(path) == 0 || errno == ENOENT || err_errno(e, ERR_IO, "cannot remove the folder %s", path));
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

bool dir_list(arena *a, const char *path, char ***names, int *count, err *e) {
    DIR *dir = opendir(path);
    if (!dir) return err_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot list the folder %s", path);
    buf list = {0}; /* of char * */
    const struct dirent *entry;
    for (errno = 0; (entry = readdir(dir)); errno = 0) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char *name = arena_text(a, entry->d_name);
        buf_put(&list, &name, sizeof name);
    }
    const bool ok = errno == 0 || err_errno(e, ERR_IO, "cannot list the folder %s", path);
    closedir(dir);
    if (ok) {
        *count = (int)(list.len / sizeof(char *));
        *names = (char **)(void *)arena_copy(a, list.ptr, list.len);
        qsort(*names, (size_t)*count, sizeof(char *), by_name);
    }
    buf_free(&list);
    return ok;
}

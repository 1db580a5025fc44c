/* look.c - a store looked at from outside, whoever has it open. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "store/db.h"

/* The process that holds the folder's lock; 0: nobody. */
static int64_t owner_of(arena *a, const char *folder) {
    char text[32] = "";
    const int fd = open(path_join(a, folder, "fettle.lock"), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    const bool held = flock(fd, LOCK_SH | LOCK_NB) != 0;
    if (held && read(fd, text, sizeof text - 1) < 0) text[0] = '\0';
    close(fd);
    return held ? (*text ? strtol(text, NULL, 10) : -1) : 0;
}

static bool ask_file(const db_driver *driver, const char *path, bool whole, store_facts *out, err *e) {
    db_conn *c = driver->connect(path, false, e);
    if (!c) return false;
    db_stmt *s = driver->prepare(c, "SELECT version FROM schema", e);
    bool ok = s && driver->step(s, e) == 1;
    if (ok) out->schema = (int)driver->integer(s, 0);
    if (s) driver->finalize(s);
    ok = ok && (!whole || driver->check(c, e));
    driver->disconnect(c);
    return ok || err_set(e, ERR_INPUT, "it is no store of fettle");
}

bool store_look(arena *a, const char *folder, bool whole, store_facts *out, err *e) {
    const char *path = path_join(a, folder, "fettle.db");
    struct stat about;
    *out = (store_facts){.newest = schema_newest()};
    if (stat(folder, &about) != 0) return true;
    out->mode = (int)(about.st_mode & 07777);
    out->owner = owner_of(a, folder);
    out->there = file_exists(path);
    if (!out->there) return true;
    out->bytes = file_size(path);
    const int64_t log = file_size(arena_printf(a, "%s-wal", path));
    out->log_bytes = log > 0 ? log : 0;
    return ask_file(&DB_USUAL, path, whole, out, e);
}

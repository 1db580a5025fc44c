/* folder.h - the files of a data set's folder, as the Hugging Face hub and `datasets` lay them out. Used inside data alone.
 *
 *     README.md                       "configs": subsets, splits and the files of each, in the YAML on top
 *     data/train-00000-of-00002.parquet, train.jsonl, test/x.csv ...      else splits are told by the names of files and folders
 *
 * Without a wish: the subset that is the default or the only one, of it the split `train` or the only one. */
#ifndef FETTLE_DATA_FOLDER_H
#define FETTLE_DATA_FOLDER_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

typedef struct {
    char **path; /* in the order they are read */
    int count;
    const char *words; /* "2 files of split train" */
} folder_files;

/* `wish`: "split=NAME", "subset=NAME", both with a comma between, or empty. Fails with words, and the names there are, when nothing fits;
 * when shards are missing; when there are only files of a kind that is not read. */
bool folder_files_find(arena *a, const char *folder, str wish, folder_files *out, err *e);

/* The configs of a README.md: fills split and pattern of every file pattern of every subset. */
typedef struct {
    str subset, split, pattern;
    bool is_default; /* the subset is marked as the default */
} folder_pattern;
typedef struct {
    folder_pattern *item;
    int count;
} folder_patterns;
bool folder_readme(arena *a, const char *path, folder_patterns *out, err *e); /* none: count 0 */

bool folder_glob(str pattern, str path); /* * ? [abc] within a name, ** over folders */

#endif

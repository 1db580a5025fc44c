/* pages.h - the web app's files, as they lie in the program. Used inside serve alone.
 *
 * tools/embed makes the list from web/dist: every file packed by gzip, with its hash as ETag. With `fettle serve --web DIR` the files
 * of that folder are answered instead, as they are now. */
#ifndef FETTLE_SERVE_PAGES_H
#define FETTLE_SERVE_PAGES_H

#include <stddef.h>

typedef struct {
    const char *path, *etag;          /* "/assets/index-1a2b3c4d.js"; the tag with its quotes */
    size_t size;                      /* unpacked */
    const unsigned char *begin, *end; /* packed */
} page;

extern const page page_list[]; /* ended by a page without a path */

#endif

/* news.h - what changed of runs, lessons and models, for who listens to /api/v1/events. Used inside serve alone.
 *
 * A board in memory with the newest of each (kind, id): a listener that was away for a while hears what is, not what was. */
#ifndef FETTLE_SERVE_NEWS_H
#define FETTLE_SERVE_NEWS_H

#include "serve/api.h"

typedef struct board board;
board *news_new(void);
void news_free(board *n);
board *server_board(server *s);

/* data: one JSON object. by: only this person and owners hear it; 0: everybody who is logged in. kind: a literal. */
void news_post(server *s, const char *kind, const char *id, int64_t by, str data);
/* What came behind *seen and is for this person, as "event: KIND\ndata: {...}"; moves *seen. */
void news_append(server *s, const user *me, int64_t *seen, buf *out);
int64_t news_last(server *s); /* what to begin with as `seen` */

#endif

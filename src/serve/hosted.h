/* hosted.h - an endpoint (assist) over the server's thread that generates: models are loaded once for everybody. Used inside serve alone. */
#ifndef FETTLE_SERVE_HOSTED_H
#define FETTLE_SERVE_HOSTED_H

#include "assist/assist.h"
#include "serve/api.h"
#include "serve/worker.h"

/* o->spec: an id of the server's models, or URL#MODEL. */
endpoint *hosted_open(worker *w, const endpoint_options *o, err *e);

/* Texts go to an address, and a key with them: the owner alone may name one. */
bool hosted_may_name(const call *c, const char *model, err *e);

#endif

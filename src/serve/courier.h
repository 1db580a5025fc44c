/* courier.h - tells webhooks what happened (Standard Webhooks: signed POSTs). Inside serve.
 *
 *     events ── told ──► webhook A   one thread each while there is something to tell: a slow one delays nobody else
 *            └─ told ──► webhook B ──► failed: kept in the store, sent again after 10, 60, 180 and 600 seconds
 *
 * How far each was told is in the store, so a restart goes on where the last one ended; what was sent and not yet noted comes a second
 * time under the same webhook-id. Nothing waits in memory: a webhook with WAITING_MOST failed deliveries hears nothing new until
 * they arrived or were given up. */
#ifndef FETTLE_SERVE_COURIER_H
#define FETTLE_SERVE_COURIER_H

#include "serve/api.h"

typedef struct courier courier;
courier *courier_start(server *s, err *e);
void courier_stop(courier *c); /* waits for what is being sent; NULL is fine */

#endif

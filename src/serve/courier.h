/* courier.h - tells webhooks what happened (Standard Webhooks: signed POSTs, sent again after 10, 60 and 180 seconds). Inside serve. */
#ifndef FETTLE_SERVE_COURIER_H
#define FETTLE_SERVE_COURIER_H

#include "serve/api.h"

typedef struct courier courier;
courier *courier_start(server *s, err *e); /* a thread of its own, from the events of now on */
void courier_stop(courier *c);             /* what waits is given up; NULL is fine */

#endif

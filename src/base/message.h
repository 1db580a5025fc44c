/* message.h - conversations as every part of the program hands them on: a JSON list of {"role", "content"}. */
#ifndef FETTLE_BASE_MESSAGE_H
#define FETTLE_BASE_MESSAGE_H

#include "base/json.h"

json *message_new(arena *a, const char *role, str content);
json *messages_new(arena *a, str system, str user); /* what a user asks; system empty: the user's words alone */

#endif

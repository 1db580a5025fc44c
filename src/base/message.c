/* message.c - see message.h. */
#include "base/message.h"

json *message_new(arena *a, const char *role, str content) {
    json *m = json_new_object(a);
    json_set(m, "role", json_new_text(a, str_of(role)));
    json_set(m, "content", json_new_text(a, content));
    return m;
}

json *messages_new(arena *a, str system, str user) {
    json *list = json_new_array(a);
    if (system.len) json_append(list, message_new(a, "system", system));
    json_append(list, message_new(a, "user", user));
    return list;
}

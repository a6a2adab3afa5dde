/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "api/pairs.h"

#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/encode.h"

const char *kn_text_decoded(struct kn_arena *arena, const char *text, size_t n)
{
    kn_auto(kn_buf_clear) struct kn_buf out = {0};
    if (!kn_unpercent(&out, text, n, false) || memchr(kn_buf_text(&out), '\0', out.len) ||
        !kn_buf_ok(&out))
        return NULL;
    return kn_arena_strndup(arena, kn_buf_text(&out), out.len);
}

kn_code kn_pairs_read(struct kn_pair **out, size_t *out_n, struct kn_arena *arena, const char *query,
                      struct kn_error *err)
{
    size_t n_max = 1;
    for (const char *p = query; *p; p++)
        n_max += *p == '&';
    struct kn_pair *pairs = kn_arena_array(arena, n_max, sizeof(*pairs));
    if (!pairs)
        return kn_fail(err, KN_ENOMEM, "no memory for a query");
    *out = pairs;
    *out_n = 0;
    while (*query) {
        size_t n = strcspn(query, "&");
        size_t n_name = strcspn(query, "=&");
        size_t n_skip = n_name < n ? n_name + 1 : n;
        if (n > 0) {
            struct kn_pair *pair = &pairs[(*out_n)++];
            pair->name = kn_text_decoded(arena, query, n_name);
            pair->value = kn_text_decoded(arena, query + n_skip, n - n_skip);
            if (!pair->name || !pair->value)
                return kn_fail_as(err, KN_EINVAL, "InvalidArgument", "the query is malformed");
        }
        query += n + (query[n] == '&');
    }
    return KN_OK;
}

const char *kn_list_value(struct kn_arena *arena, const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = list; *p;) {
        p += strspn(p, ", ");
        size_t n_part = strcspn(p, ",");
        if (strncmp(p, name, n) == 0 && p[n] == '=')
            return kn_arena_strndup(arena, p + n + 1, n_part - n - 1);
        p += n_part;
    }
    return NULL;
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "engine/caption/entity.h"

#include <string.h>

#include "engine/caption/text.h"

#define MAX_LEGACY 6 // letters of "frac12", the longest name that is known without ';'

static size_t number_entity(const char *text, size_t n, uint32_t out[2])
{
    const bool is_hex = n > 2 && (text[2] == 'x' || text[2] == 'X');
    const size_t from = is_hex ? 3 : 2;
    uint32_t value = 0;
    size_t at = from;
    for (; at < n; at++) {
        const char c = text[at];
        const bool is_digit = c >= '0' && c <= '9';
        const bool is_letter = is_hex && ((c | 32) >= 'a' && (c | 32) <= 'f');
        if (!is_digit && !is_letter)
            break;
        value = value * (is_hex ? 16 : 10) + (uint32_t)(is_digit ? c - '0' : (c | 32) - 'a' + 10);
        value = value > 0x110000 ? 0x110000 : value; // no character
    }
    if (at == from)
        return 0;
    out[0] = value >= 0x80 && value < 0xA0 ? kn_caption_windows_1252((uint8_t)value) : value;
    out[1] = 0;
    return at < n && text[at] == ';' ? at + 1 : at;
}

static const struct kn_entity *entity_find(const char *name, size_t n)
{
    size_t from = 0, to = kn_n_entities;
    while (from < to) {
        const size_t middle = (from + to) / 2;
        const char *at = kn_entities[middle].name;
        const int order = strncmp(at, name, n);
        if (order == 0 && !at[n])
            return &kn_entities[middle];
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

size_t kn_caption_entity(const char *text, size_t n, uint32_t out[2])
{
    if (n < 3 || text[0] != '&')
        return 0;
    if (text[1] == '#')
        return number_entity(text, n, out);
    size_t name = 0;
    while (name + 1 < n && name < sizeof(kn_entities[0].name) - 1 &&
           (((text[name + 1] | 32) >= 'a' && (text[name + 1] | 32) <= 'z') ||
            (text[name + 1] >= '0' && text[name + 1] <= '9')))
        name++;
    const bool is_ended = name + 1 < n && text[name + 1] == ';';
    const struct kn_entity *found = is_ended && name ? entity_find(text + 1, name) : NULL;
    size_t length = name + 2;
    for (size_t k = name < MAX_LEGACY ? name : MAX_LEGACY; !found && k >= 2; k--) {
        found = entity_find(text + 1, k);
        found = found && found->is_legacy ? found : NULL; // "&notit;" is "¬it;"
        length = k + 1;
    }
    if (!found)
        return 0;
    memcpy(out, found->character, sizeof(found->character));
    return length;
}

void kn_caption_put_resolved(struct kn_buf *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint32_t c[2];
        const size_t length = kn_caption_entity(text + i, n - i, c);
        if (length) {
            kn_caption_put(out, c[0]);
            if (c[1])
                kn_caption_put(out, c[1]);
        } else {
            kn_buf_putc(out, text[i]);
        }
        i += length ? length : 1;
    }
}

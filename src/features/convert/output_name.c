/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names of outputs. */
#include "features/convert/output_name.h"

#include <string.h>

#include "base/strings.h"

// The part of an input's address that names things: the key, the path of a URL, the id.
static const char *address_path(const char *uri)
{
    const char *path = strstr(uri, "://");
    if (!path)
        return uri + strspn(uri, "/");
    path += 3;
    if (kn_starts_with(uri, "media://"))
        return path;
    path += strcspn(path, "/");
    return path + strspn(path, "/");
}

static bool is_word(const char *at, size_t n, const char *word)
{
    return strlen(word) == n && memcmp(at, word, n) == 0;
}

// The value of a placeholder as a slice of known text; false when it is not one of ours.
static bool placeholder(const char *word, size_t n, const char *uri, const char *job_id,
                        const char **out, size_t *out_n)
{
    const char *path = address_path(uri);
    size_t n_path = strcspn(path, "?#");
    size_t n_folder = n_path;
    while (n_folder > 0 && path[n_folder - 1] != '/')
        n_folder--;
    const char *file = path + n_folder;
    size_t n_file = n_path - n_folder;
    size_t dot = n_file;
    for (size_t i = n_file; i > 1; i--) { // a leading dot begins a name, not an extension
        if (file[i - 1] == '.') {
            dot = i - 1;
            break;
        }
    }
    if (is_word(word, n, "ObjectPrefix")) {
        *out = path;
        *out_n = n_folder;
    } else if (is_word(word, n, "FileName") || is_word(word, n, "SourceName")) {
        *out = file;
        *out_n = dot;
    } else if (is_word(word, n, "ExtName")) {
        *out = dot < n_file ? file + dot + 1 : "";
        *out_n = dot < n_file ? n_file - dot - 1 : 0;
    } else if (is_word(word, n, "MediaId") && kn_starts_with(uri, "media://")) {
        *out = path;
        *out_n = n_path;
    } else if (is_word(word, n, "JobId") && job_id) {
        *out = job_id;
        *out_n = strlen(job_id);
    } else {
        return false;
    }
    return true;
}

void kn_convert_name_expand(struct kn_buf *out, const char *name, const char *first_input_uri,
                            const char *job_id)
{
    for (const char *at = name; *at;) {
        const char *value;
        size_t n_value;
        size_t n = *at == '{' ? strcspn(at + 1, "{}") : 0;
        if (*at == '{' && at[1 + n] == '}' &&
            placeholder(at + 1, n, first_input_uri, job_id, &value, &n_value)) {
            kn_buf_add(out, value, n_value);
            at += n + 2;
        } else {
            kn_buf_putc(out, *at++);
        }
    }
}

void kn_convert_name_extend(struct kn_buf *out, const char *extension)
{
    size_t n = strlen(extension);
    const char *text = kn_buf_text(out);
    bool has_it = out->len > n + 1 && text[out->len - n - 1] == '.' &&
                  kn_equal_nocase(text + out->len - n, extension) && text[out->len - n - 2] != '/';
    if (!has_it)
        kn_buf_printf(out, ".%s", extension);
}

bool kn_convert_name_is_open(const char *uri)
{
    return strstr(uri, "{DestMd5}") || strstr(uri, "{DestAvgBitrate}");
}

void kn_convert_name_finish(struct kn_buf *out, const char *uri, const char *md5_hex,
                            int64_t bitrate_bps)
{
    for (const char *at = uri; *at;) {
        if (kn_starts_with(at, "{DestMd5}")) {
            kn_buf_puts(out, md5_hex);
            at += strlen("{DestMd5}");
        } else if (kn_starts_with(at, "{DestAvgBitrate}")) {
            kn_buf_printf(out, "%lld", (long long)((bitrate_bps + 500) / 1000));
            at += strlen("{DestAvgBitrate}");
        } else {
            kn_buf_putc(out, *at++);
        }
    }
}

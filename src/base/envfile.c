/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files of NAME=value lines. */
#include "base/envfile.h"

#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/strings.h"

#define MAX_FILE_BYTES 65536

kn_code kn_envfile_write(const char *path, const struct kn_env_line *lines, size_t n, int mode,
                         struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    for (size_t i = 0; i < n; i++)
        kn_buf_printf(&text, "%s=%s\n", lines[i].name, lines[i].value);
    if (!kn_buf_ok(&text))
        return kn_fail(err, KN_ENOMEM, "no memory to write '%s'", path);
    return kn_fs_write(path, kn_buf_text(&text), text.len, (mode_t)mode, err);
}

kn_code kn_envfile_get(const char *path, const char *name, char *out, size_t size,
                       struct kn_error *err)
{
    kn_auto(kn_buf_clear) struct kn_buf text = {0};
    out[0] = '\0';
    kn_code rc = kn_fs_read(&text, path, MAX_FILE_BYTES, err);
    size_t n_name = strlen(name);
    for (char *line = rc == KN_OK ? text.data : NULL; line && *line;) {
        size_t n = strcspn(line, "\n");
        char *next = line[n] ? line + n + 1 : line + n;
        line[n] = '\0';
        if (strncmp(line, name, n_name) == 0 && line[n_name] == '=') {
            kn_trim(line + n_name + 1);
            (void)kn_copy(out, size, line + n_name + 1);
            break;
        }
        line = next;
    }
    return rc;
}

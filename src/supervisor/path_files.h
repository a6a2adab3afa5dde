#pragma once
/*
 * Files by path, for the command line: inputs are opened, outputs are staged beside their final name
 * and take it when the job succeeds.
 *
 * Where the file system can, a staged output has no name at all until then (O_TMPFILE), so that even
 * kill -9 leaves nothing behind; elsewhere it is a hidden file.
 */
#include <stdbool.h>
#include <stddef.h>

#include "http/client.h"
#include "supervisor/files.h"

struct kn_path_files;

/* How an http(s) URL is opened with a client: kn_http_input_open(). Named by whoever has a client, so that a program
 * without one links nothing of the network. */
typedef kn_code (*kn_url_open)(struct kn_source **out, struct kn_http_client *client, const char *url,
                               struct kn_error *err);

/* `client` and `open_url` read http(s):// inputs; borrowed, both NULL: they are refused. */
kn_code kn_path_files_new(struct kn_path_files **out, struct kn_http_client *client, kn_url_open open_url,
                          struct kn_error *err);
/* From now on refuse outputs whose name is taken: KN_ECONFLICT, when one is opened and again when all
 * get their names. Without this they replace what is there. */
void kn_path_files_keep_existing(struct kn_path_files *files);
/* From now on an output named "-" is kept in memory, and goes to standard output when the others get their names. */
void kn_path_files_print(struct kn_path_files *files);
struct kn_files *kn_path_files_face(struct kn_path_files *files);
/* Wait until the bytes of all committed outputs are on the disk: kn_path_files_publish() then need not, and tells what
 * went wrong. For who has something else under way meanwhile. */
void kn_path_files_flush(struct kn_path_files *files);
/*
 * Give all committed outputs their names: first the bytes of all are on the disk (fsync), then each takes its name, a
 * new one by a link, one that is taken by a rename over it. When one fails, the new names given before are taken back.
 * So no name, old or new, ever stands for a part of a file; names that a power cut takes back are those of the last
 * seconds.
 */
kn_code kn_path_files_publish(struct kn_path_files *files, struct kn_error *err);
/* What was not published leaves no trace. */
void kn_path_files_free(struct kn_path_files **files);

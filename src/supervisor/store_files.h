#pragma once
/*
 * A job's inputs and outputs in the store, and inputs by URL.
 *
 * A child may only reach what its job names: buckets that occur in its spec, and URLs under the
 * client's rules. Local objects are handed over as descriptors, remote ones are read in blocks.
 */
#include <stddef.h>

#include "db/db.h"
#include "http/client.h"
#include "objects/store.h"
#include "supervisor/files.h"

struct kn_store_files;

/* All borrowed until the files are freed; `spec` is the job's canonical JSON text. */
kn_code kn_store_files_new(struct kn_store_files **out, struct kn_store *store,
                           struct kn_http_client *client, const char *job_id, const char *spec,
                           struct kn_error *err);
struct kn_files *kn_store_files_face(struct kn_store_files *files);
/* Before the transaction that ends the job: record what is about to become visible. Blocks. */
kn_code kn_store_files_prepare(struct kn_store_files *files, struct kn_error *err);
/* Inside it: make all committed outputs visible. */
kn_code kn_store_files_publish(struct kn_store_files *files, struct kn_tx *tx,
                               struct kn_error *err);
/* Abandons what was not published. Blocks. */
void kn_store_files_free(struct kn_store_files **files);

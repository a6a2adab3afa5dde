#pragma once
/*
 * `--tls auto`: a local certificate authority and a server certificate of its making, kept in a
 * folder, so that clients which speak HTTPS by default need only trust one file (ca.pem).
 *
 *     ca.pem ca-key.pem          ECDSA P-256, ten years
 *     server.pem server-key.pem  ECDSA P-256, 397 days; made anew when less than 30 remain, when the
 *                                names asked for are not all in it, or when a file is missing
 */
#include "base/error.h"

struct kn_tls_auto {
    char ca_file[600], cert_file[600], key_file[600];
};

/*
 * Fill `paths` with files that exist and are valid; make what is missing.
 *
 *   hosts  NULL-terminated names ("*.oss.lan") and addresses beside localhost, *.localhost,
 *          *.oss.localhost, 127.0.0.1, ::1 and this machine's name, which are always in. May be NULL.
 */
kn_code kn_tls_auto_ensure(struct kn_tls_auto *paths, const char *folder, const char *const *hosts,
                           struct kn_error *err);

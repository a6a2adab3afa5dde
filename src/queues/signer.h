#pragma once
/*
 * Who signs pushes: an RSA key and its certificate, made at the first start and kept in the database, so
 * that all servers on it sign alike (spec 10, section 6). Receivers fetch the certificate from us.
 * Thread-safety: a signer is read-only once open.
 */
#include "base/buf.h"
#include "base/error.h"
#include "db/db.h"

struct kn_signer;
kn_code kn_signer_open(struct kn_signer **out, struct kn_db *db, struct kn_error *err);
void kn_signer_close(struct kn_signer **signer);

/* The certificate, PEM; borrowed. */
const char *kn_signer_certificate(const struct kn_signer *signer);

enum kn_signer_hash { KN_SIGNER_SHA1 = 0, KN_SIGNER_SHA256 };
/* Append the base64 of the RSASSA-PKCS1-v1_5 signature of `text`. */
kn_code kn_signer_sign(struct kn_buf *out, const struct kn_signer *signer, enum kn_signer_hash hash,
                       const char *text, size_t n, struct kn_error *err);

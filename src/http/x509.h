#pragma once
/* Certificates of our own making, with OpenSSL's X.509 functions. */
#include <openssl/evp.h>
#include <openssl/x509.h>

/*
 * A certificate for `key`, named `name` and valid for `days` from now, with everything but its
 * extensions, issuer and signature. The caller's; NULL on failure.
 */
X509 *kn_x509_begin(EVP_PKEY *key, const char *name, int days);

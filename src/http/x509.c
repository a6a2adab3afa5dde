/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Certificates of our own making. */
#include "http/x509.h"

#include <stdbool.h>

#include "base/id.h"

#define DAY_S (24 * 60 * 60)

X509 *kn_x509_begin(EVP_PKEY *key, const char *name, int days)
{
    X509 *cert = X509_new();
    unsigned char serial[16];
    kn_random(serial, sizeof(serial));
    serial[0] &= 0x7F;
    BIGNUM *number = BN_bin2bn(serial, sizeof(serial), NULL);
    bool is_made = cert && number && X509_set_version(cert, X509_VERSION_3) == 1 &&
                   BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL &&
                   X509_gmtime_adj(X509_getm_notBefore(cert), -60 * 60L) != NULL &&
                   X509_gmtime_adj(X509_getm_notAfter(cert), (long)days * DAY_S) != NULL &&
                   X509_set_pubkey(cert, key) == 1 &&
                   X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
                                              (const unsigned char *)name, -1, -1, 0) == 1;
    BN_free(number);
    if (is_made)
        return cert;
    X509_free(cert);
    return NULL;
}

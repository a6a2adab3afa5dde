/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The signer, with OpenSSL. */
#include "queues/signer.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/cleanup.h"
#include "base/encode.h"
#include "db/settings.h"
#include "http/x509.h"

#define KEY_SETTING "queues.push_key"
#define CERTIFICATE_SETTING "queues.push_certificate"
#define KEY_BITS 2048
#define CERTIFICATE_DAYS 7300

struct kn_signer {
    char *key_pem, *certificate; // owned
    EVP_PKEY *key;               // owned
};

static kn_code ssl_fail(struct kn_error *err, const char *what)
{
    char reason[200];
    ERR_error_string_n(ERR_get_error(), reason, sizeof(reason));
    ERR_clear_error();
    return kn_fail(err, KN_EIO, "cannot %s: %s", what, reason);
}

static char *bio_text(BIO *bio)
{
    char *text = NULL;
    long n = BIO_get_mem_data(bio, &text);
    return n > 0 ? strndup(text, (size_t)n) : NULL;
}

static kn_code pair_make(struct kn_signer *signer, struct kn_error *err)
{
    EVP_PKEY *key = EVP_RSA_gen(KEY_BITS);
    X509 *cert = key ? kn_x509_begin(key, "Kinora message notifications", CERTIFICATE_DAYS) : NULL;
    BIO *keys = BIO_new(BIO_s_mem()), *certs = BIO_new(BIO_s_mem());
    bool is_made = cert && keys && certs &&
                   X509_set_issuer_name(cert, X509_get_subject_name(cert)) == 1 &&
                   X509_sign(cert, key, EVP_sha256()) != 0 && PEM_write_bio_X509(certs, cert) == 1 &&
                   PEM_write_bio_PKCS8PrivateKey(keys, key, NULL, NULL, 0, NULL, NULL) == 1;
    if (is_made) {
        signer->key_pem = bio_text(keys);
        signer->certificate = bio_text(certs);
    }
    BIO_free(keys);
    BIO_free(certs);
    X509_free(cert);
    EVP_PKEY_free(key);
    if (signer->key_pem && signer->certificate)
        return KN_OK;
    return ssl_fail(err, "make a key for signing notifications");
}

// Both, or neither.
static kn_code pair_load(struct kn_tx *tx, char **out_key, char **out_certificate,
                         struct kn_error *err)
{
    kn_code rc = kn_settings_get_tx(tx, KEY_SETTING, out_key, err);
    return rc == KN_OK ? kn_settings_get_tx(tx, CERTIFICATE_SETTING, out_certificate, err) : rc;
}

// Ours, unless another server was quicker.
static kn_code pair_keep_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct kn_signer *signer = context;
    kn_auto(kn_free) char *key = NULL;
    kn_auto(kn_free) char *certificate = NULL;
    kn_code rc = pair_load(tx, &key, &certificate, err);
    if (rc == KN_OK && key && certificate) {
        free(signer->key_pem);
        free(signer->certificate);
        signer->key_pem = KN_TAKE(key);
        signer->certificate = KN_TAKE(certificate);
        return KN_OK;
    }
    if (rc == KN_OK)
        rc = kn_settings_set_tx(tx, KEY_SETTING, signer->key_pem, err);
    if (rc == KN_OK)
        rc = kn_settings_set_tx(tx, CERTIFICATE_SETTING, signer->certificate, err);
    return rc;
}

static kn_code pair_load_tx(struct kn_tx *tx, void *context, struct kn_error *err)
{
    struct kn_signer *signer = context;
    kn_free(&signer->key_pem); // of a run before this one
    kn_free(&signer->certificate);
    return pair_load(tx, &signer->key_pem, &signer->certificate, err);
}

kn_code kn_signer_open(struct kn_signer **out, struct kn_db *db, struct kn_error *err)
{
    *out = NULL;
    kn_auto(kn_signer_close) struct kn_signer *signer = calloc(1, sizeof(*signer));
    if (!signer)
        return kn_fail(err, KN_ENOMEM, "no memory for signing notifications");
    kn_code rc = kn_db_read(db, pair_load_tx, signer, err);
    if (rc == KN_OK && !(signer->key_pem && signer->certificate)) {
        kn_free(&signer->key_pem);
        kn_free(&signer->certificate);
        rc = pair_make(signer, err);
        if (rc == KN_OK)
            rc = kn_db_write(db, pair_keep_tx, signer, err);
    }
    if (rc != KN_OK)
        return rc;
    BIO *bio = BIO_new_mem_buf(signer->key_pem, -1);
    signer->key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    if (!signer->key)
        return ssl_fail(err, "read the key for signing notifications");
    *out = KN_TAKE(signer);
    return KN_OK;
}

void kn_signer_close(struct kn_signer **signer)
{
    if (!*signer)
        return;
    EVP_PKEY_free((*signer)->key);
    free((*signer)->key_pem);
    free((*signer)->certificate);
    free(*signer);
    *signer = NULL;
}

const char *kn_signer_certificate(const struct kn_signer *signer)
{
    return signer->certificate;
}

kn_code kn_signer_sign(struct kn_buf *out, const struct kn_signer *signer, enum kn_signer_hash hash,
                       const char *text, size_t n, struct kn_error *err)
{
    uint8_t signature[KEY_BITS / 8];
    size_t n_signature = sizeof(signature);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const EVP_MD *md = hash == KN_SIGNER_SHA1 ? EVP_sha1() : EVP_sha256();
    bool is_signed = context && EVP_DigestSignInit(context, NULL, md, NULL, signer->key) == 1 &&
                     EVP_DigestSign(context, signature, &n_signature, (const uint8_t *)text, n) == 1;
    EVP_MD_CTX_free(context);
    if (!is_signed)
        return ssl_fail(err, "sign a notification");
    kn_base64(out, signature, n_signature);
    return KN_OK;
}

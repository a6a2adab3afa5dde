/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A certificate authority for one machine, with OpenSSL's X.509 functions. */
#include "http/tls_auto.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "base/id.h"
#include "base/strings.h"
#include "http/x509.h"

#define CA_DAYS 3650
// Clients refuse server certificates that are valid for longer than 398 days.
#define SERVER_DAYS 397
#define RENEW_DAYS 30
#define DAY_S (24 * 60 * 60)

static void x509_free_at(X509 **cert)
{
    X509_free(*cert);
    *cert = NULL;
}

static void key_free_at(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
    *key = NULL;
}

static void bio_free_at(BIO **bio)
{
    BIO_free(*bio);
    *bio = NULL;
}

static kn_code tls_fail(struct kn_error *err, const char *what)
{
    char reason[200];
    ERR_error_string_n(ERR_get_error(), reason, sizeof(reason));
    ERR_clear_error();
    return kn_fail(err, KN_EIO, "cannot %s: %s", what, reason);
}

/* ---- files ---- */

static void pair_load(X509 **out_cert, EVP_PKEY **out_key, const char *cert_file,
                      const char *key_file)
{
    kn_auto(kn_close_file) FILE *cert = fopen(cert_file, "re");
    kn_auto(kn_close_file) FILE *key = fopen(key_file, "re");
    *out_cert = cert ? PEM_read_X509(cert, NULL, NULL, NULL) : NULL;
    *out_key = key ? PEM_read_PrivateKey(key, NULL, NULL, NULL) : NULL;
    ERR_clear_error(); // what cannot be read is made anew
}

static kn_code bio_save(BIO *bio, const char *path, mode_t mode, struct kn_error *err)
{
    char *text = NULL;
    long n = BIO_get_mem_data(bio, &text);
    return kn_fs_write(path, text, (size_t)n, mode, err);
}

static kn_code pair_save(X509 *cert, X509 *issuer, EVP_PKEY *key, const char *cert_file,
                         const char *key_file, struct kn_error *err)
{
    kn_auto(bio_free_at) BIO *certs = BIO_new(BIO_s_mem());
    kn_auto(bio_free_at) BIO *keys = BIO_new(BIO_s_mem());
    if (!certs || !keys || PEM_write_bio_X509(certs, cert) != 1 ||
        (issuer && PEM_write_bio_X509(certs, issuer) != 1) ||
        PEM_write_bio_PKCS8PrivateKey(keys, key, NULL, NULL, 0, NULL, NULL) != 1)
        return tls_fail(err, "write a certificate");
    kn_code rc = bio_save(keys, key_file, 0600, err);
    return rc == KN_OK ? bio_save(certs, cert_file, 0644, err) : rc;
}

/* ---- certificates ---- */

static bool is_fresh(X509 *cert, EVP_PKEY *key, int days)
{
    time_t then = time(NULL) + (time_t)days * DAY_S;
    return cert && key && X509_check_private_key(cert, key) == 1 &&
           X509_cmp_time(X509_get0_notAfter(cert), &then) > 0;
}

static bool extension_add(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool is_in = extension && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return is_in;
}

static kn_code ca_make(X509 **out_cert, EVP_PKEY **out_key, const struct kn_tls_auto *paths,
                       const char *ca_key_file, struct kn_error *err)
{
    char id[KN_ID_SIZE], name[64];
    kn_id_hex(id);
    (void)snprintf(name, sizeof(name), "Kinora local authority %.8s", id);
    *out_key = EVP_EC_gen("P-256");
    *out_cert = *out_key ? kn_x509_begin(*out_key, name, CA_DAYS) : NULL;
    X509 *cert = *out_cert;
    if (!cert || X509_set_issuer_name(cert, X509_get_subject_name(cert)) != 1 ||
        !extension_add(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
        !extension_add(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") ||
        !extension_add(cert, cert, NID_subject_key_identifier, "hash") ||
        X509_sign(cert, *out_key, EVP_sha256()) == 0)
        return tls_fail(err, "make a certificate authority");
    return pair_save(cert, NULL, *out_key, paths->ca_file, ca_key_file, err);
}

static bool is_address(const char *host)
{
    unsigned char address[16];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

static void names_add(struct kn_buf *names, const char *host)
{
    if (strpbrk(host, ",\n\r") || !*host)
        return; // would be read as more names
    kn_buf_printf(names, "%s%s:%s", names->len ? "," : "", is_address(host) ? "IP" : "DNS", host);
}

static const char *const own_names[] = {"localhost", "*.localhost", "*.oss.localhost", "127.0.0.1", "::1", NULL};

static bool cert_has(X509 *cert, const char *host)
{
    if (is_address(host))
        return X509_check_ip_asc(cert, host, 0) == 1;
    // X509_check_host() would not match a wildcard, so the names are read one by one.
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    bool is_there = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && !is_there; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        is_there = name->type == GEN_DNS &&
                   kn_equal_nocase((const char *)ASN1_STRING_get0_data(name->d.dNSName), host);
    }
    GENERAL_NAMES_free(names);
    return is_there;
}

static bool cert_has_all(X509 *cert, const char *const *hosts)
{
    for (; hosts && *hosts; hosts++)
        if (!cert_has(cert, *hosts))
            return false;
    return true;
}

static kn_code server_make(const struct kn_tls_auto *paths, X509 *ca, EVP_PKEY *ca_key,
                           const char *const *hosts, struct kn_error *err)
{
    char machine[256] = "";
    (void)gethostname(machine, sizeof(machine) - 1); // without a name, the others do
    kn_auto(kn_buf_clear) struct kn_buf names = {0};
    for (const char *const *name = own_names; *name; name++)
        names_add(&names, *name);
    names_add(&names, machine);
    for (; hosts && *hosts; hosts++)
        names_add(&names, *hosts);

    kn_auto(key_free_at) EVP_PKEY *key = EVP_EC_gen("P-256");
    kn_auto(x509_free_at) X509 *cert = key ? kn_x509_begin(key, "Kinora", SERVER_DAYS) : NULL;
    if (!cert || !kn_buf_ok(&names) ||
        X509_set_issuer_name(cert, X509_get_subject_name(ca)) != 1 ||
        !extension_add(cert, ca, NID_basic_constraints, "critical,CA:FALSE") ||
        !extension_add(cert, ca, NID_key_usage, "critical,digitalSignature") ||
        !extension_add(cert, ca, NID_ext_key_usage, "serverAuth") ||
        !extension_add(cert, ca, NID_subject_alt_name, kn_buf_text(&names)) ||
        !extension_add(cert, ca, NID_authority_key_identifier, "keyid") ||
        X509_sign(cert, ca_key, EVP_sha256()) == 0)
        return tls_fail(err, "make a server certificate");
    return pair_save(cert, ca, key, paths->cert_file, paths->key_file, err);
}

kn_code kn_tls_auto_ensure(struct kn_tls_auto *paths, const char *folder, const char *const *hosts,
                           struct kn_error *err)
{
    char ca_key_file[600];
    int n = snprintf(paths->ca_file, sizeof(paths->ca_file), "%s/ca.pem", folder);
    (void)snprintf(paths->cert_file, sizeof(paths->cert_file), "%s/server.pem", folder);
    (void)snprintf(paths->key_file, sizeof(paths->key_file), "%s/server-key.pem", folder);
    (void)snprintf(ca_key_file, sizeof(ca_key_file), "%s/ca-key.pem", folder);
    if (n < 0 || (size_t)n + 16 >= sizeof(paths->ca_file))
        return kn_fail(err, KN_EINVAL, "the name of the folder for certificates is too long");
    kn_code rc = kn_fs_make_folders(folder, 0700, err);
    if (rc != KN_OK)
        return rc;

    kn_auto(x509_free_at) X509 *ca = NULL;
    kn_auto(key_free_at) EVP_PKEY *ca_key = NULL;
    pair_load(&ca, &ca_key, paths->ca_file, ca_key_file);
    bool is_new_ca = !is_fresh(ca, ca_key, SERVER_DAYS);
    if (is_new_ca) {
        x509_free_at(&ca);
        key_free_at(&ca_key);
        rc = ca_make(&ca, &ca_key, paths, ca_key_file, err);
    }
    kn_auto(x509_free_at) X509 *cert = NULL;
    kn_auto(key_free_at) EVP_PKEY *key = NULL;
    pair_load(&cert, &key, paths->cert_file, paths->key_file);
    if (rc == KN_OK && (is_new_ca || !is_fresh(cert, key, RENEW_DAYS) ||
                        !cert_has_all(cert, own_names) || !cert_has_all(cert, hosts)))
        rc = server_make(paths, ca, ca_key, hosts, err);
    return rc;
}

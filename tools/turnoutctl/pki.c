/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/turnoutctl/pki.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/strbuf.h"
#include "tools/turnoutctl/pki_private.h"

enum { CLOCK_SLACK_S = 300, SERIAL_SIZE = 16, SECURITY_BITS_MIN = 112 };

/* --- names --------------------------------------------------------------------------------- */

static const char name_characters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

static bool
is_address(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* What a file and a certificate can be called. */
static int
check_name(const char *name, struct errmsg *err)
{
    size_t len = strlen(name);
    if (!len || len > PKI_NAME_MAX || strspn(name, name_characters) != len
        || strchr("-.", name[0]) || !strcmp(name, "ca")) {
        errmsg_set(err, "'%.80s' can't be a name: 1 to %d letters, digits, '-', '_' and '.', not "
                   "beginning with '-' or '.', and not ca", name, PKI_NAME_MAX);
        return -EINVAL;
    }
    return 0;
}

static int
check_host(const char *host, struct errmsg *err)
{
    size_t len = strlen(host);
    if (is_address(host) || (len && len <= 253 && strspn(host, name_characters) == len)) {
        return 0;
    }
    errmsg_set(err, "'%.80s' is neither a host name nor an address", host);
    return -EINVAL;
}

/* --- making certificates ---------------------------------------------------------------------- */

static bool
set_subject(X509_NAME *name, const char *text)
{
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *) text, -1,
                                      -1, 0) == 1;
}

static bool
set_serial(X509 *cert)
{
    unsigned char bytes[SERIAL_SIZE];
    if (RAND_bytes(bytes, sizeof bytes) != 1) {
        return false;
    }
    bytes[0] &= 0x7f;                  /* positive, */
    bytes[0] |= 0x40;                  /* and not 0 */
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
    BN_free(number);
    return ok;
}

static bool
add_extension(X509 *cert, X509V3_CTX *context, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, context, nid, value);
    bool ok = extension && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

/* Number, dates, subject, key. */
static bool
fill_in(X509 *cert, const X509_NAME *subject, EVP_PKEY *key, const X509_NAME *issuer, unsigned days)
{
    return X509_set_version(cert, X509_VERSION_3) && set_serial(cert)
           && X509_gmtime_adj(X509_getm_notBefore(cert), -CLOCK_SLACK_S)
           && X509_time_adj_ex(X509_getm_notAfter(cert), (int) days, 0, NULL)
           && X509_set_subject_name(cert, subject) && X509_set_issuer_name(cert, issuer)
           && X509_set_pubkey(cert, key);
}

static bool
make_ca(X509 *cert, EVP_PKEY *key, const char *name, unsigned days)
{
    X509V3_CTX context;
    X509_NAME *subject = X509_NAME_new();
    X509V3_set_ctx(&context, cert, cert, NULL, NULL, 0);
    bool ok = subject && set_subject(subject, name) && fill_in(cert, subject, key, subject, days)
              && add_extension(cert, &context, NID_basic_constraints, "critical,CA:TRUE")
              && add_extension(cert, &context, NID_key_usage, "critical,keyCertSign,cRLSign")
              && add_extension(cert, &context, NID_subject_key_identifier, "hash")
              && X509_sign(cert, key, EVP_sha256());
    X509_NAME_free(subject);
    return ok;
}

/* Of what the request asks for only the names are taken. */
static bool
copy_names(X509 *cert, X509_REQ *req)
{
    STACK_OF(X509_EXTENSION) *asked = X509_REQ_get_extensions(req);
    int i = asked ? X509v3_get_ext_by_NID(asked, NID_subject_alt_name, -1) : -1;
    bool ok = i < 0 || X509_add_ext(cert, X509v3_get_ext(asked, i), -1) == 1;
    sk_X509_EXTENSION_pop_free(asked, X509_EXTENSION_free);
    return ok;
}

static bool
make_leaf(X509 *cert, X509_REQ *req, X509 *ca, EVP_PKEY *ca_key, unsigned days)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, ca, cert, req, NULL, 0);
    bool ok = fill_in(cert, X509_REQ_get_subject_name(req), X509_REQ_get0_pubkey(req),
                      X509_get_subject_name(ca), days)
              && add_extension(cert, &context, NID_basic_constraints, "critical,CA:FALSE")
              && add_extension(cert, &context, NID_key_usage, "critical,digitalSignature")
              && add_extension(cert, &context, NID_ext_key_usage, "serverAuth,clientAuth")
              && add_extension(cert, &context, NID_subject_key_identifier, "hash")
              && add_extension(cert, &context, NID_authority_key_identifier, "keyid")
              && copy_names(cert, req);
    if (ok && ASN1_TIME_compare(X509_get0_notAfter(cert), X509_get0_notAfter(ca)) > 0) {
        ok = X509_set1_notAfter(cert, X509_get0_notAfter(ca)) == 1;
    }
    return ok && X509_sign(cert, ca_key, EVP_sha256());
}

/* "DNS:NAME,DNS:HOST,IP:ADDRESS". */
static void
list_names(struct strbuf *text, const char *name, const char *const hosts[], size_t n_hosts)
{
    strbuf_printf(text, "%s:%s", is_address(name) ? "IP" : "DNS", name);
    for (size_t i = 0; i < n_hosts; i++) {
        strbuf_printf(text, ",%s:%s", is_address(hosts[i]) ? "IP" : "DNS", hosts[i]);
    }
}

static bool
make_req(X509_REQ *req, EVP_PKEY *key, const char *name, const char *names)
{
    STACK_OF(X509_EXTENSION) *extensions = sk_X509_EXTENSION_new_null();
    X509_EXTENSION *alt = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
    bool ok = extensions && alt && sk_X509_EXTENSION_push(extensions, alt) > 0;
    if (!ok) {
        X509_EXTENSION_free(alt);
    }
    ok = ok && X509_REQ_set_version(req, X509_REQ_VERSION_1)
         && set_subject(X509_REQ_get_subject_name(req), name) && X509_REQ_set_pubkey(req, key)
         && X509_REQ_add_extensions(req, extensions) && X509_REQ_sign(req, key, EVP_sha256());
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return ok;
}

/* --- what was made ------------------------------------------------------------------------------- */

/* What was written to 'bio', in one line. */
static void
take_text(BIO *bio, char *text, size_t size)
{
    int n = BIO_read(bio, text, (int) size - 1);
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
}

static void
describe(struct pki_result *result, const X509_NAME *subject,
         const STACK_OF(X509_EXTENSION) *extensions, const ASN1_TIME *not_after)
{
    BIO *bio = BIO_new(BIO_s_mem());
    if (!bio) {
        return;
    }
    X509_NAME_print_ex(bio, subject, 0, XN_FLAG_RFC2253);
    take_text(bio, result->subject, sizeof result->subject);
    int i = extensions ? X509v3_get_ext_by_NID(extensions, NID_subject_alt_name, -1) : -1;
    if (i >= 0) {
        X509V3_EXT_print(bio, X509v3_get_ext(extensions, i), 0, 0);
        take_text(bio, result->names, sizeof result->names);
    }
    if (not_after) {
        ASN1_TIME_print(bio, not_after);
        take_text(bio, result->not_after, sizeof result->not_after);
    }
    BIO_free(bio);
}

static void
describe_cert(struct pki_result *result, const X509 *cert)
{
    describe(result, X509_get_subject_name(cert), X509_get0_extensions(cert),
             X509_get0_notAfter(cert));
}

/* Writes the key and then what goes with it; neither, if the second can't be written. */
static int
write_both(struct pki_result *result, EVP_PKEY *key, X509 *cert, X509_REQ *req,
           struct errmsg *err)
{
    int error = pki_check_absent(result->files[1], err);
    error = error ? error : pki_write_key(result->files[0], key, err);
    if (error) {
        return error;
    }
    error = cert ? pki_write_cert(result->files[1], cert, err)
                 : pki_write_req(result->files[1], req, err);
    if (error) {
        unlink(result->files[0]);
    }
    return error;
}

/* --- the operations --------------------------------------------------------------------------------- */

int
pki_init(const char *dir, const char *name, unsigned days, struct pki_result *result,
         struct errmsg *err)
{
    *result = (struct pki_result) { .subject = "" };
    int error = pki_make_dir(dir, err);
    if (error || !pki_path(result->files[0], dir, "ca", "-key.pem", err)
        || !pki_path(result->files[1], dir, "ca", "-cert.pem", err)) {
        return error ? error : -ENAMETOOLONG;
    }
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    if (!key || !cert || !make_ca(cert, key, name, days)) {
        error = pki_crypto_failed("making a CA", err);
    } else {
        error = write_both(result, key, cert, NULL, err);
    }
    if (!error) {
        describe_cert(result, cert);
    }
    X509_free(cert);
    EVP_PKEY_free(key);
    return error;
}

static int
request(const char *name, const char *names, struct pki_result *result, struct errmsg *err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509_REQ *req = X509_REQ_new();
    int error;
    if (!key || !req || !make_req(req, key, name, names)) {
        error = pki_crypto_failed("making a request", err);
    } else {
        error = write_both(result, key, NULL, req, err);
    }
    if (!error) {
        STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(req);
        describe(result, X509_REQ_get_subject_name(req), extensions, NULL);
        sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    }
    X509_REQ_free(req);
    EVP_PKEY_free(key);
    return error;
}

int
pki_req(const char *dir, const char *name, const char *const hosts[], size_t n_hosts,
        struct pki_result *result, struct errmsg *err)
{
    *result = (struct pki_result) { .subject = "" };
    int error = check_name(name, err);
    for (size_t i = 0; i < n_hosts && !error; i++) {
        error = check_host(hosts[i], err);
    }
    error = error ? error : pki_make_dir(dir, err);
    if (error || !pki_path(result->files[0], dir, name, "-privkey.pem", err)
        || !pki_path(result->files[1], dir, name, "-req.pem", err)) {
        return error ? error : -ENAMETOOLONG;
    }
    struct strbuf names = { 0 };
    list_names(&names, name, hosts, n_hosts);
    error = request(name, strbuf_text(&names), result, err);
    strbuf_fini(&names);
    return error;
}

/* What is signed must have been made by whoever has its key, and be strong enough. */
static int
check_req(X509_REQ *req, const char *path, struct errmsg *err)
{
    EVP_PKEY *key = X509_REQ_get0_pubkey(req);
    if (!key || X509_REQ_verify(req, key) != 1) {
        errmsg_set(err, "%s: its signature is wrong", path);
    } else if (EVP_PKEY_get_security_bits(key) < SECURITY_BITS_MIN) {
        errmsg_set(err, "%s: its key is too weak", path);
    } else {
        return 0;
    }
    ERR_clear_error();
    return -EINVAL;
}

struct ca {
    X509 *cert;
    EVP_PKEY *key;
};

static void
ca_fini(struct ca *ca)
{
    X509_free(ca->cert);
    EVP_PKEY_free(ca->key);
}

static int
read_ca(const char *dir, struct ca *ca, struct errmsg *err)
{
    char path[PKI_PATH_SIZE];
    *ca = (struct ca) { NULL, NULL };
    if (!pki_path(path, dir, "ca", "-cert.pem", err) || !(ca->cert = pki_read_cert(path, err))
        || !pki_path(path, dir, "ca", "-key.pem", err) || !(ca->key = pki_read_key(path, err))) {
        return -ENOENT;
    }
    if (X509_check_private_key(ca->cert, ca->key) != 1) {
        errmsg_set(err, "%s is not the key of the CA's certificate", path);
        ERR_clear_error();
        return -EINVAL;
    }
    if (X509_cmp_current_time(X509_get0_notAfter(ca->cert)) < 0) {
        errmsg_set(err, "the certificate of the CA in %s has expired", dir);
        return -EINVAL;
    }
    return 0;
}

static int
sign(const struct ca *ca, X509_REQ *req, unsigned days, struct pki_result *result,
     struct errmsg *err)
{
    X509 *cert = X509_new();
    int error;
    if (!cert || !make_leaf(cert, req, ca->cert, ca->key, days)) {
        error = pki_crypto_failed("signing", err);
    } else {
        error = pki_write_cert(result->files[0], cert, err);
    }
    if (!error) {
        describe_cert(result, cert);
    }
    X509_free(cert);
    return error;
}

int
pki_sign(const char *dir, const char *name, unsigned days, struct pki_result *result,
         struct errmsg *err)
{
    char path[PKI_PATH_SIZE];
    *result = (struct pki_result) { .subject = "" };
    if (check_name(name, err)) {
        return -EINVAL;
    }
    if (!pki_path(path, dir, name, "-req.pem", err)
        || !pki_path(result->files[0], dir, name, "-cert.pem", err)) {
        return -ENAMETOOLONG;
    }
    struct ca ca;
    int error = read_ca(dir, &ca, err);
    X509_REQ *req = error ? NULL : pki_read_req(path, err);
    if (!error) {
        error = req ? check_req(req, path, err) : -ENOENT;
    }
    error = error ? error : sign(&ca, req, days, result, err);
    X509_REQ_free(req);
    ca_fini(&ca);
    return error;
}

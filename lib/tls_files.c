/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and certificates from PEM files. A file is read whole first, so that what is wrong
 * with the file is told from what is wrong in it. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/tls_private.h"

LOG_MODULE(tls);

enum { FILE_MAX_SIZE = 1 << 20 };

/* A file's bytes, NULL if it can't be read. */
struct contents {
    char *data;
    size_t size;
    mode_t mode;
};

static int
refuse(const char *what, const char *path, const char *why, struct errmsg *err)
{
    errmsg_set(err, "%s %s: %s", what, path, why);
    return -EINVAL;
}

static int
read_all(int fd, struct contents *c)
{
    struct stat st;
    if (fstat(fd, &st)) {
        return -errno;
    }
    if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX_SIZE) {
        return S_ISREG(st.st_mode) ? -EFBIG : -EINVAL;
    }
    c->mode = st.st_mode;
    c->data = malloc((size_t) st.st_size + 1);
    if (!c->data) {
        return -ENOMEM;
    }
    ssize_t n;
    while ((n = read(fd, c->data + c->size, (size_t) st.st_size - c->size)) > 0) {
        c->size += (size_t) n;
    }
    return n < 0 ? -errno : 0;
}

static void
contents_fini(struct contents *c)
{
    if (c->data) {
        OPENSSL_cleanse(c->data, c->size);
        free(c->data);
    }
}

/* The whole file as a BIO over c->data. NULL and *error. */
static BIO *
open_file(const char *what, const char *path, struct contents *c, int *error, struct errmsg *err)
{
    *c = (struct contents) { NULL };
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    *error = fd < 0 ? -errno : read_all(fd, c);
    if (fd >= 0) {
        close(fd);
    }
    BIO *bio = *error ? NULL : BIO_new_mem_buf(c->data, (int) c->size);
    if (!bio) {
        *error = *error ? *error : -ENOMEM;
        errmsg_set(err, "%s %s: %s", what, path,
                   *error == -EINVAL ? "not a regular file" : strerror(-*error));
        contents_fini(c);
    }
    return bio;
}

/* Nobody is there to ask: an encrypted key is refused. */
static int
no_passphrase(char *buffer, int size, int writing, void *asked)
{
    (void) buffer;
    (void) size;
    (void) writing;
    *(bool *) asked = true;
    return -1;
}

int
tls_read_key(SSL_CTX *context, const char *path, struct errmsg *err)
{
    struct contents c;
    int error;
    BIO *bio = open_file("private key", path, &c, &error, err);
    if (!bio) {
        return error;
    }
    bool asked = false;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &asked);
    if (asked) {
        error = refuse("private key", path, "it is encrypted, and there is nobody to ask for the "
                       "passphrase; give one that is not", err);
    } else if (!key) {
        ERR_clear_error();         /* the last one speaks of formats that were tried in vain */
        error = refuse("private key", path, "there is no private key in it that can be read, in "
                       "PEM", err);
    } else if (SSL_CTX_use_PrivateKey(context, key) != 1) {
        error = refuse("private key", path, tls_reason(), err);
    } else if (c.mode & S_IROTH) {
        log_warn("private key %s: everybody on this host can read it (mode %04o); chmod 600 it",
                 path, c.mode & 07777);
    }
    EVP_PKEY_free(key);
    BIO_free(bio);
    contents_fini(&c);
    return error;
}

static void
warn_of_dates(const X509 *cert, const char *path)
{
    if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0) {
        log_warn("certificate %s: it has expired; peers are going to refuse it", path);
    } else if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0) {
        log_warn("certificate %s: it is not valid yet; peers are going to refuse it", path);
    }
}

/* The next certificate of a file. NULL at its end, and *error if that is not where it
 * should be. */
static X509 *
next_certificate(BIO *bio, const char *what, const char *path, int *error, struct errmsg *err)
{
    ERR_clear_error();
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    if (!cert && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
        *error = refuse(what, path, tls_reason(), err);
    }
    ERR_clear_error();
    return cert;
}

int
tls_read_chain(SSL_CTX *context, const char *path, struct errmsg *err)
{
    struct contents c;
    int error;
    BIO *bio = open_file("certificate", path, &c, &error, err);
    if (!bio) {
        return error;
    }
    unsigned n = 0;
    X509 *cert;
    while (!error && (cert = next_certificate(bio, "certificate", path, &error, err))) {
        int ok = n++ ? (int) SSL_CTX_add1_chain_cert(context, cert)
                     : SSL_CTX_use_certificate(context, cert);
        if (ok != 1) {
            error = refuse("certificate", path, tls_reason(), err);
        } else if (n == 1) {
            warn_of_dates(cert, path);
        }
        X509_free(cert);
    }
    if (!error && !n) {
        error = refuse("certificate", path, "there is no PEM certificate in it", err);
    }
    BIO_free(bio);
    contents_fini(&c);
    return error;
}

int
tls_read_cas(SSL_CTX *context, const char *path, struct errmsg *err)
{
    struct contents c;
    int error;
    BIO *bio = open_file("CA certificate", path, &c, &error, err);
    if (!bio) {
        return error;
    }
    unsigned n = 0;
    X509 *cert;
    while (!error && (cert = next_certificate(bio, "CA certificate", path, &error, err))) {
        n++;
        if (!X509_check_ca(cert)) {
            error = refuse("CA certificate", path, "it is not a CA's", err);
        } else if (!X509_STORE_add_cert(SSL_CTX_get_cert_store(context), cert)
                   || !SSL_CTX_add_client_CA(context, cert)) {
            error = refuse("CA certificate", path, tls_reason(), err);
        }
        X509_free(cert);
    }
    if (!error && !n) {
        error = refuse("CA certificate", path, "there is no PEM certificate in it", err);
    }
    BIO_free(bio);
    contents_fini(&c);
    return error;
}

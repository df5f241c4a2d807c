/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a lab's keys and certificates. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/turnoutctl/pki_private.h"

int
pki_crypto_failed(const char *what, struct errmsg *err)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    errmsg_set(err, "%s: %s", what, reason ? reason : "libcrypto gives no reason");
    ERR_clear_error();
    return -EIO;
}

bool
pki_path(char path[PKI_PATH_SIZE], const char *dir, const char *name, const char *suffix,
         struct errmsg *err)
{
    int len = snprintf(path, PKI_PATH_SIZE, "%s/%s%s", dir, name, suffix);
    if (len >= PKI_PATH_SIZE) {
        errmsg_set(err, "%.100s...: the path is too long", dir);
        return false;
    }
    return true;
}

static int
system_failed(const char *path, int error, struct errmsg *err)
{
    errmsg_set(err, "%s: %s", path, strerror(error));
    return -error;
}

int
pki_make_dir(const char *dir, struct errmsg *err)
{
    return mkdir(dir, 0700) && errno != EEXIST ? system_failed(dir, errno, err) : 0;
}

int
pki_check_absent(const char *path, struct errmsg *err)
{
    struct stat st;
    if (lstat(path, &st)) {
        return 0;
    }
    errmsg_set(err, "%s is there already, and is not overwritten", path);
    return -EEXIST;
}

/* --- writing ------------------------------------------------------------------------------- */

/* A file that was not there. NULL and *error. */
static FILE *
create(const char *path, mode_t mode, int *error, struct errmsg *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0 && errno == EEXIST) {
        *error = pki_check_absent(path, err);
        return NULL;
    }
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!file) {
        *error = system_failed(path, errno, err);
        if (fd >= 0) {
            close(fd);
            unlink(path);
        }
    }
    return file;
}

/* 'written' by libcrypto, or not. */
static int
finish(FILE *file, const char *path, bool written, struct errmsg *err)
{
    int error = 0;
    errno = 0;
    bool flushed = !fflush(file) && !fsync(fileno(file));
    int why = errno;
    if (!written) {
        error = pki_crypto_failed(path, err);
    } else if (!flushed) {
        error = system_failed(path, why, err);
    }
    fclose(file);
    if (error) {
        unlink(path);
    }
    return error;
}

int
pki_write_key(const char *path, EVP_PKEY *key, struct errmsg *err)
{
    int error;
    FILE *file = create(path, 0600, &error, err);
    if (!file) {
        return error;
    }
    setvbuf(file, NULL, _IONBF, 0);        /* the key stays in no buffer of ours */
    return finish(file, path, PEM_write_PKCS8PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1,
                  err);
}

int
pki_write_cert(const char *path, X509 *cert, struct errmsg *err)
{
    int error;
    FILE *file = create(path, 0644, &error, err);
    return file ? finish(file, path, PEM_write_X509(file, cert) == 1, err) : error;
}

int
pki_write_req(const char *path, X509_REQ *req, struct errmsg *err)
{
    int error;
    FILE *file = create(path, 0644, &error, err);
    return file ? finish(file, path, PEM_write_X509_REQ(file, req) == 1, err) : error;
}

/* --- reading ------------------------------------------------------------------------------- */

static FILE *
open_to_read(const char *path, struct errmsg *err)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        system_failed(path, errno, err);
    }
    return file;
}

static void *
result_of(FILE *file, const char *path, void *object, const char *what, struct errmsg *err)
{
    if (!object) {
        errmsg_set(err, "%s: there is no %s in it, in PEM", path, what);
        ERR_clear_error();
    }
    fclose(file);
    return object;
}

/* Nobody is asked for a passphrase. */
static int
no_passphrase(char *buffer, int size, int writing, void *aux)
{
    (void) buffer;
    (void) size;
    (void) writing;
    (void) aux;
    return -1;
}

EVP_PKEY *
pki_read_key(const char *path, struct errmsg *err)
{
    FILE *file = open_to_read(path, err);
    return file ? result_of(file, path, PEM_read_PrivateKey(file, NULL, no_passphrase, NULL),
                            "private key without a passphrase", err) : NULL;
}

X509 *
pki_read_cert(const char *path, struct errmsg *err)
{
    FILE *file = open_to_read(path, err);
    return file ? result_of(file, path, PEM_read_X509(file, NULL, NULL, NULL), "certificate", err)
                : NULL;
}

X509_REQ *
pki_read_req(const char *path, struct errmsg *err)
{
    FILE *file = open_to_read(path, err);
    return file ? result_of(file, path, PEM_read_X509_REQ(file, NULL, NULL, NULL),
                            "certificate request", err) : NULL;
}

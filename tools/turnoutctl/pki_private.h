/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of pki.h share. */
#ifndef TOOLS_TURNOUTCTL_PKI_PRIVATE_H
#define TOOLS_TURNOUTCTL_PKI_PRIVATE_H 1

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>

#include "tools/turnoutctl/pki.h"

enum { PKI_PATH_SIZE = 4200 };

/* --- pki_files.c -------------------------------------------------------------------------- */

/* DIR/NAME plus 'suffix', as in "-cert.pem". False, and *err, if that is too long. */
bool pki_path(char path[PKI_PATH_SIZE], const char *dir, const char *name, const char *suffix,
              struct errmsg *err);
/* Makes the directory if it is not there, for its owner alone. 0 or -errno. */
int pki_make_dir(const char *dir, struct errmsg *err);
/* -EEXIST, and *err, if there is such a file. */
int pki_check_absent(const char *path, struct errmsg *err);

/* Write a new file. 0 or -errno. */
int pki_write_key(const char *path, EVP_PKEY *, struct errmsg *err);
int pki_write_cert(const char *path, X509 *, struct errmsg *err);
int pki_write_req(const char *path, X509_REQ *, struct errmsg *err);

/* Read one. NULL, and *err. */
EVP_PKEY *pki_read_key(const char *path, struct errmsg *err);
X509 *pki_read_cert(const char *path, struct errmsg *err);
X509_REQ *pki_read_req(const char *path, struct errmsg *err);

/* "WHAT: reason", by OpenSSL's queue, which is emptied. Returns -EIO. */
int pki_crypto_failed(const char *what, struct errmsg *err);

#endif /* tools/turnoutctl/pki_private.h */

/* SPDX-License-Identifier: Apache-2.0 */
/* Learning the CA from the first server: its certificate is believed unseen, once. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/counters.h"
#include "lib/log.h"
#include "lib/tls_private.h"

LOG_MODULE(tls);

/* The CA at the end of the chain that the server sent, if it is there. */
static X509 *
find_ca(const SSL *ssl)
{
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
    int n = chain ? sk_X509_num(chain) : 0;
    X509 *last = n ? sk_X509_value(chain, n - 1) : NULL;
    return last && X509_self_signed(last, 1) == 1 && X509_check_ca(last) ? last : NULL;
}

/* Only a new file: who made one meanwhile knows better. 0 or -errno. */
static int
write_ca(const char *path, const X509 *ca)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) {
        return -errno;
    }
    FILE *file = fdopen(fd, "w");
    if (!file) {
        int error = -errno;
        close(fd);
        unlink(path);
        return error;
    }
    bool ok = PEM_write_X509(file, ca) == 1 && !fflush(file) && !fsync(fd);
    int error = ok ? 0 : errno ? -errno : -EIO;
    fclose(file);
    if (error) {
        unlink(path);
    }
    return error;
}

static void
fingerprint(const X509 *cert, char text[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    text[0] = '\0';
    if (X509_digest(cert, EVP_sha256(), digest, &size) == 1) {
        for (unsigned i = 0; i < 32 && i < size; i++) {
            snprintf(text + 2 * i, 3, "%02x", digest[i]);
        }
    }
}

void
tls_learn_ca(struct tls_session *t, struct errmsg *err)
{
    struct tls *tls = t->tls;
    const struct tls_files files = { tls->private_key, tls->certificate, tls->ca_cert, true };
    struct errmsg why;
    char path[256], digest[65];
    snprintf(path, sizeof path, "%s", tls->ca_cert);
    X509 *ca = find_ca(t->ssl);
    if (!ca) {
        errmsg_set(err, "the peer did not send its CA's certificate, so that it can't be kept");
        return;
    }
    int error = write_ca(tls->ca_cert, ca);
    if (error && error != -EEXIST) {
        errmsg_set(err, "the CA certificate can't be kept in %s: %s", path, strerror(-error));
        return;
    }
    fingerprint(ca, digest);
    if (tls_load(tls, &files, &why)) {
        errmsg_set(err, "%s", why.text);
        return;
    }
    counter_inc(COUNTER_tls_ca_learnt);
    log_warn("CA certificate %s: trusted from now on, as %s sent it; make sure that its SHA-256 "
             "fingerprint is right: %s", path, t->host, digest);
    errmsg_set(err, "the CA certificate is known now and kept in %s; connecting again", path);
}

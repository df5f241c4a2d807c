/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/tls_lab.h"
#include "tools/turnoutctl/pki.h"

void
tls_lab_init(struct tls_lab *lab)
{
    static const char *const names[] = { "ours", "theirs" };
    static const char *const hosts[] = { "peer.example" };
    struct pki_result result;
    struct errmsg err;
    strcpy(lab->dir, "/tmp/turnout-tls-XXXXXX");
    assert_non_null(mkdtemp(lab->dir));
    assert_int_equal(pki_init(lab->dir, "test CA", 2, &result, &err), 0);
    snprintf(lab->ca, sizeof lab->ca, "%s/ca-cert.pem", lab->dir);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pki_req(lab->dir, names[i], hosts, (size_t) i, &result, &err), 0);
        assert_int_equal(pki_sign(lab->dir, names[i], 1, &result, &err), 0);
        snprintf(lab->key[i], sizeof lab->key[i], "%s/%s-privkey.pem", lab->dir, names[i]);
        snprintf(lab->cert[i], sizeof lab->cert[i], "%s/%s-cert.pem", lab->dir, names[i]);
    }
}

void
tls_lab_fini(struct tls_lab *lab)
{
    DIR *dir = opendir(lab->dir);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        unlinkat(dirfd(dir), entry->d_name, 0);
    }
    closedir(dir);
    assert_int_equal(rmdir(lab->dir), 0);
}

struct tls_files
tls_lab_files(const struct tls_lab *lab)
{
    return (struct tls_files) { lab->key[0], lab->cert[0], lab->ca, false };
}

SSL *
tls_lab_peer(const struct tls_lab *lab, int fd, bool server, const char *trusted)
{
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    assert_int_equal(SSL_CTX_use_PrivateKey_file(context, lab->key[1], SSL_FILETYPE_PEM), 1);
    assert_int_equal(SSL_CTX_use_certificate_file(context, lab->cert[1], SSL_FILETYPE_PEM), 1);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (trusted) {
        assert_int_equal(SSL_CTX_load_verify_file(context, trusted), 1);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    SSL *ssl = SSL_new(context);
    SSL_CTX_free(context);                 /* ssl holds on to it */
    assert_int_equal(SSL_set_fd(ssl, fd), 1);
    (server ? SSL_set_accept_state : SSL_set_connect_state)(ssl);
    return ssl;
}

void
tls_lab_peer_free(SSL *ssl)
{
    SSL_free(ssl);
}

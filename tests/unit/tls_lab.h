/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and certificates in a directory of their own, and OpenSSL as the other end of a
 * connection. Failing helpers fail the test. */
#ifndef TESTS_UNIT_TLS_LAB_H
#define TESTS_UNIT_TLS_LAB_H 1

#include <openssl/ssl.h>
#include <stdbool.h>

#include "lib/tls.h"

struct tls_lab {
    char dir[64];
    char key[2][128], cert[2][128];    /* of "ours" and "theirs" */
    char ca[128];
};

/* Two certificates of one CA; "theirs" is for the host peer.example too. */
void tls_lab_init(struct tls_lab *);
void tls_lab_fini(struct tls_lab *);
/* What a switch is given. */
struct tls_files tls_lab_files(const struct tls_lab *);

/* OpenSSL on 'fd', which is not blocking, with "theirs"; NULL as 'trusted' trusts all. */
SSL *tls_lab_peer(const struct tls_lab *, int fd, bool server, const char *trusted);
void tls_lab_peer_free(SSL *);

#endif /* tests/unit/tls_lab.h */

/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and certificates for a lab: one CA in a folder, and what it signs.
 *
 *   pki_init()   ca-key.pem, ca-cert.pem
 *   pki_req()    NAME-privkey.pem, NAME-req.pem: a key, and what asks for a certificate for it
 *   pki_sign()   NAME-cert.pem, from NAME-req.pem
 *
 * Keys are P-256, in PKCS #8, readable by their owner alone; all files are PEM. No file is
 * ever overwritten, and when something fails none is left half-done. */
#ifndef TOOLS_TURNOUTCTL_PKI_H
#define TOOLS_TURNOUTCTL_PKI_H 1

#include <stddef.h>

#include "lib/errmsg.h"

enum { PKI_NAME_MAX = 64, PKI_DAYS_MAX = 36500 };

/* What was made. */
struct pki_result {
    char files[2][4200];           /* paths; "" if there is only one */
    char subject[200];             /* "CN=s1" */
    char names[600];               /* hosts and addresses in it, as OpenSSL prints them; "" */
    char not_after[64];            /* of a certificate; "" of a request */
};

/* Makes 'dir' if need be, and a CA called 'name' that is valid for 'days'. 0 or -errno. */
int pki_init(const char *dir, const char *name, unsigned days, struct pki_result *,
             struct errmsg *err);
/* A key, and a request in which 'name' and the 'n_hosts' hosts (names and addresses) stand.
 * 'dir' is made if need be. 0, or -errno: -EINVAL for a name or host that can't be one. */
int pki_req(const char *dir, const char *name, const char *const hosts[], size_t n_hosts,
            struct pki_result *, struct errmsg *err);
/* The CA of 'dir' signs NAME-req.pem, for 'days' but no longer than it is valid itself. 0 or
 * -errno. */
int pki_sign(const char *dir, const char *name, unsigned days, struct pki_result *,
             struct errmsg *err);

#endif /* tools/turnoutctl/pki.h */

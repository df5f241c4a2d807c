/* SPDX-License-Identifier: Apache-2.0 */
/* TLS for streams: both sides show a certificate, or there is no connection.
 *
 * One private key, certificate and CA serve all connections of a process. They are loaded
 * from PEM files, and may be loaded again at any time: connections that are there go on with
 * what they began with, later ones use the new. TLS 1.2 and later, no renegotiation, no
 * compression, no resumption.
 *
 * *Handshakes hold nobody up.* They cost signatures and key exchanges, thousands of times
 * what a message costs. So of all handshakes of a process only a few go a step in one turn
 * of the event loop, in the order in which they became ready, and of those that others
 * began with us at most TLS_HANDSHAKES_MAX are in progress: the oldest makes room. How long
 * one may take is for its user to say.
 *
 * The event loop's thread only. The process must ignore SIGPIPE. */
#ifndef LIB_TLS_H
#define LIB_TLS_H 1

#include <stdbool.h>

#include "lib/errmsg.h"

struct event_base;
struct stream;
struct tls;

enum { TLS_HANDSHAKES_MAX = 128, TLS_STEPS_A_TURN = 4 };

struct tls_files {
    const char *private_key;       /* not encrypted */
    const char *certificate;       /* ours; certificates of its chain may follow it */
    const char *ca_cert;           /* one or more: who may sign a peer's */
    bool bootstrap;                /* if there is no 'ca_cert', the first server that we
                                    * connect to is asked for it, and it is kept there */
};

/* Nothing is loaded yet. NULL without memory. */
struct tls *tls_new(struct event_base *);
/* Its streams must have been freed. NULL does nothing. */
void tls_free(struct tls *);

/* Loads the files. 0; or -errno, what was loaded before stays, and *err says which file is
 * wrong, and why. Says in the log if everybody can read the key, or if our certificate is
 * out of date. */
int tls_load(struct tls *, const struct tls_files *, struct errmsg *err);
/* From now on there is none. */
void tls_unload(struct tls *);
bool tls_is_loaded(const struct tls *);

enum tls_role { TLS_CLIENT, TLS_SERVER };

/* Puts TLS on a stream that has not been started. 'host' is who a client wants to reach: a
 * name that the server's certificate must be for; or an address, which is compared with the
 * addresses in the certificate if there are any. A server gives NULL.
 *
 * 0; or -errno: nothing is loaded, or there is no memory. */
int tls_secure(struct tls *, struct stream *, enum tls_role, const char *host,
               struct errmsg *err);

struct tls_info {
    char protocol[16];             /* "TLSv1.3" */
    char cipher[48];
    char subject[160];             /* the peer's, as RFC 2253 writes it */
};

/* False if the stream has no TLS, or not yet. */
bool tls_get_info(const struct stream *, struct tls_info *);

#endif /* lib/tls.h */

/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of TLS share.
 *
 *   tls.c              what is loaded
 *   tls_files.c        reading it
 *   tls_stream.c       one connection: the transport of a stream
 *   tls_gate.c         whose handshake goes on
 *   tls_bootstrap.c    learning the CA from the first server
 */
#ifndef LIB_TLS_PRIVATE_H
#define LIB_TLS_PRIVATE_H 1

#include <openssl/ssl.h>
#include <sys/queue.h>

#include "lib/stream_transport.h"
#include "lib/tls.h"

struct event;

struct tls_session {
    struct tls *tls;
    struct stream *stream;
    SSL *ssl;
    enum tls_role role;
    char host[256];                /* whom a client wants to reach */
    bool host_is_address;
    bool learning;                 /* the CA: nothing of the peer is believed yet */
    bool step;                     /* its handshake may go on now */
    bool established;
    bool broken;                   /* OpenSSL must not be asked to go on */
    bool told;                     /* that no more comes */
    bool queued, counted;          /* in the gate's lists */
    TAILQ_ENTRY(tls_session) queue_link, count_link;
    BIO *written;                  /* what OpenSSL wants to go out is put there, and from */
    struct evbuffer *unsent;       /* there here, to wait for the socket */
    size_t encrypted;              /* bytes at the head of the output that are in 'unsent' */
    char verify_why[240];          /* which certificate was refused, and why */
    struct tls_info info;
};

TAILQ_HEAD(tls_sessions, tls_session);

struct tls {
    struct event_base *base;
    SSL_CTX *context;              /* NULL: nothing is loaded */
    bool learning;                 /* there is no CA yet */
    char *private_key, *certificate, *ca_cert;
    bool bootstrap;
    struct event *gate;
    struct tls_sessions waiting;   /* for a step of their handshake, */
    struct tls_sessions accepted;  /* in a handshake that others began, oldest first */
    unsigned n_accepted;
};

/* The latest error in OpenSSL's queue, which is emptied: never NULL. */
const char *tls_reason(void);

/* --- tls_files.c: each fills in what it reads; 0, or -errno and *err, with the file's name - */

int tls_read_key(SSL_CTX *, const char *path, struct errmsg *err);
int tls_read_chain(SSL_CTX *, const char *path, struct errmsg *err);
/* -ENOENT if there is no such file. */
int tls_read_cas(SSL_CTX *, const char *path, struct errmsg *err);

/* --- tls_stream.c ------------------------------------------------------------------------- */

/* OpenSSL's opinion of one of the peer's certificates, on the way to a decision. */
int tls_on_verify(int ok, X509_STORE_CTX *);

/* --- tls_gate.c --------------------------------------------------------------------------- */

/* The handshake can go on: stream_shake_hands() is called with session->step set, in this
 * turn of the loop or a later one. */
void tls_gate_enter(struct tls_session *);
/* A peer began a handshake: too many, and the oldest is broken. */
void tls_gate_count(struct tls_session *);
/* The handshake is over, or the session. */
void tls_gate_leave(struct tls_session *);
void tls_gate_run(struct tls *);

/* --- tls_bootstrap.c ---------------------------------------------------------------------- */

/* Keeps the CA that signed the server's certificate, if it was sent, and loads it. In either
 * case *err is what to say about the connection, which must be made anew. */
void tls_learn_ca(struct tls_session *, struct errmsg *err);

#endif /* lib/tls_private.h */

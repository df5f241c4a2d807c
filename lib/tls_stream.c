/* SPDX-License-Identifier: Apache-2.0 */
/* One connection under TLS: the transport of a stream.
 *
 * OpenSSL reads from the socket, but writes to memory, and what is there goes out as the
 * socket takes it. So OpenSSL never has a record that is written in part: it could not answer
 * a key update then (it breaks the connection: "bad length"). A few records are encrypted at
 * a time; while many bytes wait, nothing is read, as a peer could make us answer without end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/counters.h"
#include "lib/tls_private.h"

enum { RECORDS_A_WRITE = 4, UNSENT_MAX = 65536, LEFTOVERS_MAX = 64 };

/* One record's bytes on their way between OpenSSL and a queue; one thread. */
static unsigned char scratch[STREAM_CHUNK];

/* --- certificates ------------------------------------------------------------------------- */

static void
print_name(const X509 *cert, char *text, size_t size)
{
    BIO *bio = BIO_new(BIO_s_mem());
    int n = 0;
    if (bio && X509_NAME_print_ex(bio, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253) >= 0) {
        n = BIO_read(bio, text, (int) size - 1);
    }
    text[n > 0 ? n : 0] = '\0';
    BIO_free(bio);
}

/* An address is not what certificates are usually for: it is compared if there is one. */
static bool
names_another_address(X509 *cert, const char *address)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    bool has_addresses = false;
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
        has_addresses |= sk_GENERAL_NAME_value(names, i)->type == GEN_IPADD;
    }
    GENERAL_NAMES_free(names);
    return has_addresses && X509_check_ip_asc(cert, address, 0) != 1;
}

static void
note_refusal(struct tls_session *t, X509_STORE_CTX *store)
{
    char subject[120] = "";
    int error = X509_STORE_CTX_get_error(store);
    const X509 *cert = X509_STORE_CTX_get_current_cert(store);
    if (t->verify_why[0]) {
        return;
    }
    if (cert) {
        print_name(cert, subject, sizeof subject);
    }
    bool name = error == X509_V_ERR_HOSTNAME_MISMATCH || error == X509_V_ERR_IP_ADDRESS_MISMATCH;
    snprintf(t->verify_why, sizeof t->verify_why, "the peer's certificate (%s): %s%s%.60s", subject,
             X509_verify_cert_error_string(error), name ? ", it is not for " : "",
             name ? t->host : "");
}

int
tls_on_verify(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_session *t = SSL_get_app_data(ssl);
    if (t->learning) {
        return 1;
    }
    if (ok && t->host_is_address && !X509_STORE_CTX_get_error_depth(store)
        && names_another_address(X509_STORE_CTX_get_current_cert(store), t->host)) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_IP_ADDRESS_MISMATCH);
        ok = 0;
    }
    if (!ok) {
        note_refusal(t, store);
    }
    return ok;
}

/* --- what OpenSSL says ---------------------------------------------------------------------- */

/* Why a connection is broken, for people. */
static void
explain(struct tls_session *t, int ssl_error)
{
    struct stream *s = t->stream;
    const char *where = t->established ? "TLS" : "TLS handshake";
    unsigned long error = ERR_peek_last_error();
    int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
    if (t->verify_why[0]) {
        snprintf(s->why, sizeof s->why, "%s: %s", where, t->verify_why);
    } else if (ssl_error == SSL_ERROR_SYSCALL && !error) {
        snprintf(s->why, sizeof s->why, "%s: %s", where,
                 errno ? strerror(errno) : "closed by the peer");
    } else if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        snprintf(s->why, sizeof s->why, "%s: closed by the peer", where);
    } else if (reason > SSL_AD_REASON_OFFSET) {
        snprintf(s->why, sizeof s->why, "%s: the peer refuses: %s", where, tls_reason());
    } else {
        bool plain = !t->established && (reason == SSL_R_WRONG_VERSION_NUMBER
                                         || reason == SSL_R_HTTP_REQUEST);
        snprintf(s->why, sizeof s->why, "%s: %s%s", where, tls_reason(),
                 plain ? " (does the peer speak without TLS?)" : "");
    }
    ERR_clear_error();
}

/* What an attempt that returned 'r' came to; 'r' is not a success. */
static enum stream_result
result_of(struct tls_session *t, int r)
{
    int error = SSL_get_error(t->ssl, r);
    switch (error) {
    case SSL_ERROR_WANT_READ:
        return STREAM_WANTS_READ;
    case SSL_ERROR_WANT_WRITE:
        return STREAM_WANTS_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        snprintf(t->stream->why, sizeof t->stream->why, "closed by the peer");
        return STREAM_ENDED;
    default:
        t->broken = true;
        explain(t, error);
        return STREAM_BROKEN;
    }
}

static const char cut_off_words[] = "closed by the peer without a word of TLS";

/* --- the transport -------------------------------------------------------------------------- */

/* Gives the socket what it takes of what OpenSSL wrote. */
static enum stream_result
send_written(struct tls_session *t)
{
    struct stream *s = t->stream;
    char *data;
    long size = BIO_get_mem_data(t->written, &data);
    if (size > 0 && evbuffer_add(t->unsent, data, (size_t) size)) {
        snprintf(s->why, sizeof s->why, "no memory");
        return STREAM_BROKEN;
    }
    BIO_reset(t->written);
    enum stream_result result = STREAM_MOVED;
    while (evbuffer_get_length(t->unsent) && result == STREAM_MOVED) {
        int n = evbuffer_write_atmost(t->unsent, s->fd, UNSENT_MAX);
        size_t done = n < 0 ? 0 : (size_t) n < t->encrypted ? (size_t) n : t->encrypted;
        evbuffer_drain(s->out, done);
        t->encrypted -= done;
        if (n <= 0) {
            bool waits = !n || errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
            result = waits ? STREAM_WANTS_WRITE : STREAM_BROKEN;
        }
    }
    s->unsent = evbuffer_get_length(t->unsent) > 0;
    if (result == STREAM_BROKEN) {
        t->broken = true;
        snprintf(s->why, sizeof s->why, "%s", strerror(errno));
    }
    return result;
}

static enum stream_result
established(struct tls_session *t)
{
    X509 *peer = SSL_get0_peer_certificate(t->ssl);
    struct errmsg err;
    t->established = true;
    tls_gate_leave(t);
    if (t->learning) {
        tls_learn_ca(t, &err);
        snprintf(t->stream->why, sizeof t->stream->why, "%s", err.text);
        return STREAM_BROKEN;
    }
    snprintf(t->info.protocol, sizeof t->info.protocol, "%s", SSL_get_version(t->ssl));
    snprintf(t->info.cipher, sizeof t->info.cipher, "%s", SSL_get_cipher_name(t->ssl));
    print_name(peer, t->info.subject, sizeof t->info.subject);
    return STREAM_MOVED;
}

static enum stream_result
take_step(struct tls_session *t)
{
    enum stream_result sent = send_written(t);
    if (sent != STREAM_MOVED) {
        return sent;
    }
    ERR_clear_error();
    errno = 0;
    int r = SSL_do_handshake(t->ssl);
    enum stream_result result = r == 1 ? established(t) : result_of(t, r);
    if (result == STREAM_BROKEN || result == STREAM_ENDED) {
        char why[sizeof t->stream->why];
        memcpy(why, t->stream->why, sizeof why);
        send_written(t);               /* an alert that says why */
        memcpy(t->stream->why, why, sizeof why);
        return result;
    }
    sent = send_written(t);
    return sent == STREAM_MOVED || result == STREAM_MOVED ? result : sent;
}

static enum stream_result
shake_hands(struct stream *s)
{
    struct tls_session *t = s->session;
    if (!t->step) {
        tls_gate_enter(t);
        return STREAM_WANTS_READ;
    }
    enum stream_result result = take_step(t);
    if (result == STREAM_BROKEN || result == STREAM_ENDED) {
        counter_inc(COUNTER_tls_handshake_failed);
        tls_gate_leave(t);
    }
    return result;
}

/* The peer's system closed the connection, but TLS did not. What came before is authentic;
 * whether there was more, nobody knows. */
static enum stream_result
cut_off(struct tls_session *t)
{
    counter_inc(COUNTER_tls_unclean_close);
    snprintf(t->stream->why, sizeof t->stream->why, "%s", cut_off_words);
    return STREAM_ENDED;
}

static enum stream_result
read_record(struct stream *s)
{
    struct tls_session *t = s->session;
    if (evbuffer_get_length(t->unsent) + BIO_pending(t->written) >= UNSENT_MAX) {
        return STREAM_WANTS_WRITE;
    }
    ERR_clear_error();
    errno = 0;
    int n = SSL_read(t->ssl, scratch, sizeof scratch);
    bool eof = n <= 0 && SSL_get_error(t->ssl, n) == SSL_ERROR_SSL
               && ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
    enum stream_result result = n > 0 ? STREAM_MOVED : result_of(t, n);
    if (eof) {
        return cut_off(t);
    }
    if (n > 0 && evbuffer_add(s->in, scratch, (size_t) n)) {
        snprintf(s->why, sizeof s->why, "no memory");
        return STREAM_BROKEN;
    }
    s->unsent = s->unsent || BIO_pending(t->written);   /* it may have answered something */
    return result;
}

/* Encrypts the head of the output. False if OpenSSL can't. */
static bool
encrypt(struct tls_session *t)
{
    struct evbuffer *out = t->stream->out;
    for (int i = 0; i < RECORDS_A_WRITE && t->encrypted < evbuffer_get_length(out); i++) {
        struct evbuffer_ptr from;
        evbuffer_ptr_set(out, &from, t->encrypted, EVBUFFER_PTR_SET);
        ev_ssize_t size = evbuffer_copyout_from(out, &from, scratch, sizeof scratch);
        ERR_clear_error();
        errno = 0;
        int n = size > 0 ? SSL_write(t->ssl, scratch, (int) size) : -1;
        if (n <= 0) {
            if (result_of(t, n) != STREAM_BROKEN) {
                snprintf(t->stream->why, sizeof t->stream->why, "TLS: nothing can be encrypted");
            }
            return false;
        }
        t->encrypted += (size_t) n;
    }
    return true;
}

static enum stream_result
write_records(struct stream *s)
{
    struct tls_session *t = s->session;
    if (t->broken) {
        snprintf(s->why, sizeof s->why, "%s", cut_off_words);
        return STREAM_BROKEN;
    }
    enum stream_result result = send_written(t);
    if (result != STREAM_MOVED || !stream_queued(s)) {
        return result;
    }
    return encrypt(t) ? send_written(t) : STREAM_BROKEN;
}

static enum stream_result
shut_down(struct stream *s)
{
    struct tls_session *t = s->session;
    if (t->broken) {
        snprintf(s->why, sizeof s->why, "%s", cut_off_words);
        return STREAM_BROKEN;
    }
    if (!t->told) {
        ERR_clear_error();
        errno = 0;
        int r = SSL_shutdown(t->ssl);
        if (r < 0 && result_of(t, r) == STREAM_BROKEN) {
            return STREAM_BROKEN;
        }
        t->told = true;
    }
    enum stream_result result = send_written(t);
    if (result == STREAM_MOVED) {
        shutdown(s->fd, SHUT_WR);
    }
    return result;
}

static bool
has_more(const struct stream *s)
{
    const struct tls_session *t = s->session;
    return t->established && SSL_pending(t->ssl) > 0;
}

/* Closing a socket with input unread would reset the connection, and the alert that says why
 * could be lost. */
static void
take_leftovers(int fd)
{
    shutdown(fd, SHUT_WR);
    for (int i = 0; i < LEFTOVERS_MAX && read(fd, scratch, sizeof scratch) > 0; i++) {
    }
}

static void
session_free(struct tls_session *t)
{
    SSL_free(t->ssl);                  /* and t->written */
    if (t->unsent) {
        evbuffer_free(t->unsent);
    }
    free(t);
    ERR_clear_error();
}

static void
close_session(struct stream *s)
{
    struct tls_session *t = s->session;
    tls_gate_leave(t);
    if (t->established && !t->broken && !t->told) {
        ERR_clear_error();
        SSL_shutdown(t->ssl);
        send_written(t);               /* as far as that goes without waiting */
    }
    if (t->broken) {
        take_leftovers(s->fd);
    }
    session_free(t);
}

static const struct stream_transport transport = {
    .handshake = shake_hands,
    .read = read_record,
    .write = write_records,
    .shut_down = shut_down,
    .has_more = has_more,
    .close = close_session,
};

/* --- beginning -------------------------------------------------------------------------------- */

static bool
is_address(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* Whom we want to reach. */
static bool
set_host(struct tls_session *t, const char *host)
{
    size_t len = strlen(host);
    while (len && host[len - 1] == '.') {
        len--;                         /* certificates leave the root's dot out */
    }
    snprintf(t->host, sizeof t->host, "%.*s", len < 255 ? (int) len : 255, host);
    t->host_is_address = is_address(t->host);
    if (t->host_is_address) {
        return true;
    }
    SSL_set_hostflags(t->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(t->ssl, t->host) && SSL_set_tlsext_host_name(t->ssl, t->host);
}

static bool
set_up(struct tls_session *t, int fd, const char *host)
{
    t->ssl = SSL_new(t->tls->context);
    t->unsent = evbuffer_new();
    BIO *written = BIO_new(BIO_s_mem());
    if (!t->ssl || !t->unsent || !written || !SSL_set_rfd(t->ssl, fd)
        || !SSL_set_app_data(t->ssl, t)) {
        BIO_free(written);
        return false;
    }
    SSL_set0_wbio(t->ssl, written);
    t->written = written;
    if (t->role == TLS_SERVER) {
        SSL_set_accept_state(t->ssl);
        return true;
    }
    SSL_set_connect_state(t->ssl);
    return !host || set_host(t, host);
}

static int
unavailable(const struct tls *tls, enum tls_role role, struct errmsg *err)
{
    if (!tls->context) {
        errmsg_set(err, "there is no private key, certificate and CA certificate for TLS");
    } else if (tls->learning && role == TLS_SERVER) {
        errmsg_set(err, "there is no CA certificate %s yet to judge a peer by", tls->ca_cert);
    } else {
        return 0;
    }
    counter_inc(COUNTER_tls_unavailable);
    return -ENOENT;
}

int
tls_secure(struct tls *tls, struct stream *s, enum tls_role role, const char *host,
           struct errmsg *err)
{
    int error = unavailable(tls, role, err);
    if (error) {
        return error;
    }
    struct tls_session *t = calloc(1, sizeof *t);
    if (!t) {
        errmsg_set(err, "no memory");
        return -ENOMEM;
    }
    t->tls = tls;
    t->stream = s;
    t->role = role;
    t->learning = tls->learning;
    ERR_clear_error();
    if (!set_up(t, s->fd, host)) {
        errmsg_set(err, "TLS can't be set up: %s", tls_reason());
        session_free(t);
        return -ENOMEM;
    }
    s->transport = &transport;
    s->session = t;
    if (s->state == STREAM_OPEN) {
        s->state = STREAM_SECURING;
    }
    if (role == TLS_SERVER) {
        tls_gate_count(t);
    }
    return 0;
}

bool
tls_get_info(const struct stream *s, struct tls_info *info)
{
    const struct tls_session *t = s->transport == &transport ? s->session : NULL;
    if (!t || !t->established) {
        return false;
    }
    *info = t->info;
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One connection under TLS: the transport of a stream. OpenSSL works on the socket; each
 * attempt tells what it must wait for, and a write that was begun is repeated with the same
 * bytes, which are still the first of the stream's output. */
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

enum { RECORDS_A_WRITE = 4, LEFTOVERS_MAX = 64 };

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

/* --- the transport -------------------------------------------------------------------------- */

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
shake_hands(struct stream *s)
{
    struct tls_session *t = s->session;
    if (!t->step) {
        tls_gate_enter(t);
        return STREAM_WANTS_READ;
    }
    ERR_clear_error();
    errno = 0;
    int r = SSL_do_handshake(t->ssl);
    enum stream_result result = r == 1 ? established(t) : result_of(t, r);
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
    snprintf(t->stream->why, sizeof t->stream->why, "closed by the peer without a word of TLS");
    return STREAM_ENDED;
}

static enum stream_result
read_record(struct stream *s)
{
    struct tls_session *t = s->session;
    ERR_clear_error();
    errno = 0;
    int n = SSL_read(t->ssl, scratch, sizeof scratch);
    if (n > 0) {
        if (evbuffer_add(s->in, scratch, (size_t) n)) {
            snprintf(s->why, sizeof s->why, "no memory");
            return STREAM_BROKEN;
        }
        return STREAM_MOVED;
    }
    bool eof = SSL_get_error(t->ssl, n) == SSL_ERROR_SSL
               && ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
    enum stream_result result = result_of(t, n);
    return eof ? cut_off(t) : result;
}

/* The first bytes of the output, as one record or a part of it. */
static enum stream_result
write_record(struct stream *s)
{
    struct tls_session *t = s->session;
    size_t size = stream_queued(s);
    size = size < sizeof scratch ? size : sizeof scratch;
    size = t->retry_size ? t->retry_size : size;
    evbuffer_copyout(s->out, scratch, size);
    ERR_clear_error();
    errno = 0;
    int n = SSL_write(t->ssl, scratch, (int) size);
    if (n > 0) {
        t->retry_size = 0;
        evbuffer_drain(s->out, (size_t) n);
        return STREAM_MOVED;
    }
    t->retry_size = size;
    enum stream_result result = result_of(t, n);
    return result == STREAM_ENDED ? STREAM_BROKEN : result;
}

static enum stream_result
write_records(struct stream *s)
{
    struct tls_session *t = s->session;
    enum stream_result result = STREAM_MOVED;
    if (t->broken) {
        snprintf(s->why, sizeof s->why, "closed by the peer without a word of TLS");
        return STREAM_BROKEN;
    }
    for (int i = 0; i < RECORDS_A_WRITE && result == STREAM_MOVED && stream_queued(s); i++) {
        result = write_record(s);
    }
    return result;
}

static enum stream_result
shut_down(struct stream *s)
{
    struct tls_session *t = s->session;
    if (t->broken) {
        snprintf(s->why, sizeof s->why, "closed by the peer without a word of TLS");
        return STREAM_BROKEN;
    }
    if (!t->told) {
        ERR_clear_error();
        errno = 0;
        int r = SSL_shutdown(t->ssl);
        if (r < 0) {
            return result_of(t, r);
        }
        t->told = true;
    }
    shutdown(s->fd, SHUT_WR);
    return STREAM_MOVED;
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
close_session(struct stream *s)
{
    struct tls_session *t = s->session;
    tls_gate_leave(t);
    if (t->established && !t->broken && !t->told) {
        ERR_clear_error();
        SSL_shutdown(t->ssl);          /* as far as that goes without waiting */
    }
    if (t->broken) {
        take_leftovers(s->fd);
    }
    ERR_clear_error();
    SSL_free(t->ssl);
    free(t);
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
    if (!t->ssl || !SSL_set_fd(t->ssl, fd) || !SSL_set_app_data(t->ssl, t)) {
        return false;
    }
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
        SSL_free(t->ssl);
        free(t);
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

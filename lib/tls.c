/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/counters.h"
#include "lib/log.h"
#include "lib/tls_private.h"

LOG_MODULE(tls);

/* For TLS 1.2: forward secrecy, and a certificate. TLS 1.3 has no others. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:ECDHE+AES:!aNULL:!SHA1"

enum { SECURITY_LEVEL = 2, CHAIN_DEPTH_MAX = 8 };

const char *
tls_reason(void)
{
    unsigned long error = ERR_peek_last_error();
    const char *reason = NULL;
    if (error && ERR_SYSTEM_ERROR(error)) {
        reason = strerror(ERR_GET_REASON(error));
    } else if (error) {
        reason = ERR_reason_error_string(error);
    }
    ERR_clear_error();
    return reason ? reason : "no reason given";
}

/* --- life ------------------------------------------------------------------------------- */

static void
on_gate(evutil_socket_t fd, short what, void *tls)
{
    (void) fd;
    (void) what;
    tls_gate_run(tls);
}

struct tls *
tls_new(struct event_base *base)
{
    struct tls *tls = calloc(1, sizeof *tls);
    if (!tls) {
        return NULL;
    }
    tls->base = base;
    TAILQ_INIT(&tls->waiting);
    TAILQ_INIT(&tls->accepted);
    tls->gate = event_new(base, -1, 0, on_gate, tls);
    if (!tls->gate) {
        free(tls);
        return NULL;
    }
    return tls;
}

void
tls_unload(struct tls *tls)
{
    SSL_CTX_free(tls->context);
    free(tls->private_key);
    free(tls->certificate);
    free(tls->ca_cert);
    tls->context = NULL;
    tls->private_key = tls->certificate = tls->ca_cert = NULL;
    tls->learning = tls->bootstrap = false;
}

void
tls_free(struct tls *tls)
{
    if (tls) {
        tls_unload(tls);
        event_free(tls->gate);
        free(tls);
    }
}

bool
tls_is_loaded(const struct tls *tls)
{
    return tls->context;
}

/* --- loading ------------------------------------------------------------------------------ */

static SSL_CTX *
new_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    if (!context) {
        return NULL;
    }
    SSL_CTX_set_security_level(context, SECURITY_LEVEL);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION
                        | SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* Without AUTO_RETRY one attempt takes one record, whatever is in it: a peer that sends
     * nothing but key updates has its turn like others. */
    SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, tls_on_verify);
    SSL_CTX_set_verify_depth(context, CHAIN_DEPTH_MAX);
    if (!SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION)
        || !SSL_CTX_set_cipher_list(context, CIPHERS)) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

static int
read_files(SSL_CTX *context, const struct tls_files *files, bool *learning, struct errmsg *err)
{
    int error = tls_read_key(context, files->private_key, err);
    error = error ? error : tls_read_chain(context, files->certificate, err);
    if (!error && !SSL_CTX_check_private_key(context)) {
        errmsg_set(err, "private key %s is not that of certificate %s", files->private_key,
                   files->certificate);
        return -EINVAL;
    }
    *learning = false;
    error = error ? error : tls_read_cas(context, files->ca_cert, err);
    if (error == -ENOENT && files->bootstrap && access(files->ca_cert, F_OK)) {
        *learning = true;
        return 0;
    }
    return error;
}

/* True if the files' names could be kept in 'tls', which has none. */
static bool
keep_names(struct tls *tls, const struct tls_files *files)
{
    tls->private_key = strdup(files->private_key);
    tls->certificate = strdup(files->certificate);
    tls->ca_cert = strdup(files->ca_cert);
    tls->bootstrap = files->bootstrap;
    return tls->private_key && tls->certificate && tls->ca_cert;
}

/* What is new is made beside what is there, and takes its place when all of it is good. */
static int
load(struct tls *new, const struct tls_files *files, struct errmsg *err)
{
    new->context = new_context();
    if (!new->context || !keep_names(new, files)) {
        errmsg_set(err, "TLS can't be set up: %s", tls_reason());
        return -ENOMEM;
    }
    return read_files(new->context, files, &new->learning, err);
}

int
tls_load(struct tls *tls, const struct tls_files *files, struct errmsg *err)
{
    struct tls new = { .context = NULL };
    int error = load(&new, files, err);
    ERR_clear_error();
    if (error) {
        counter_inc(COUNTER_tls_files_refused);
        tls_unload(&new);
        return error;
    }
    tls_unload(tls);
    tls->context = new.context;
    tls->private_key = new.private_key;
    tls->certificate = new.certificate;
    tls->ca_cert = new.ca_cert;
    tls->bootstrap = new.bootstrap;
    tls->learning = new.learning;
    if (tls->learning) {
        log_warn("there is no CA certificate %s yet: that of the first controller which is "
                 "connected to is going to be trusted, and kept there", tls->ca_cert);
    }
    return 0;
}

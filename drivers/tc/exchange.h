/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to rtnetlink, many at a time.
 *
 * A batch is messages back to back; the kernel works through it within one system call. It answers
 * each that fails, with the object that it made of it each that NLM_F_ECHO asks this of, and the last
 * one in any case. All answers are in the socket when the call returns, so an exchange never
 * waits. One that does not fit into the socket's buffer is lost: that is told, too; of all that was
 * not answered since nothing is known then (TC_NOT_TOLD), and the caller asks the kernel what it has.
 *
 * Threads: a socket belongs to one at a time. */
#ifndef DRIVERS_TC_EXCHANGE_H
#define DRIVERS_TC_EXCHANGE_H 1

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hal/verdict.h"

struct tc_socket;

/* NULL with errno set. 'receive_size' bytes of answers fit; more than net.core.rmem_max takes
 * CAP_NET_ADMIN. Extended acknowledgements are on; strict checking of dumps, too. */
struct tc_socket *tc_socket_new(size_t receive_size);
void tc_socket_free(struct tc_socket *);
/* From now on received(aux) is called with each piece of an answer: what was asked for goes on. */
void tc_socket_notify(struct tc_socket *, void (*received)(void *aux), void *aux);

enum {
    TC_BATCH_SIZE = 256 << 10,   /* most bytes of a batch */
    TC_BATCH_MAX = 512,          /* most messages */
    TC_NOT_TOLD = 1,             /* tc_answer.error: the answer was lost */
};

/* Messages to be sent together. */
struct tc_batch {
    char *data;                  /* TC_BATCH_SIZE bytes, and slack for one message too many */
    size_t size;                 /* so far */
    unsigned n;
};

/* False without memory. */
bool tc_batch_init(struct tc_batch *);
void tc_batch_fini(struct tc_batch *);
/* Where the next message is to be built, of at most *size bytes; NULL if the batch is full. */
void *tc_batch_next(struct tc_batch *, size_t *size);
/* The message that was built there counts; its sequence number is the exchange's to set. */
void tc_batch_add(struct tc_batch *, const struct nlmsghdr *);
void tc_batch_clear(struct tc_batch *);

/* What the kernel said to one message. 'error': 0, -errno, or TC_NOT_TOLD. 'words': its own, or
 * those of the device's driver, "" if there are none; valid in the call. 'echo': the object,
 * NULL if there is none; valid in the call. */
struct tc_answer {
    int error;
    const char *words;
    const struct nlmsghdr *echo;
};

/* Sends the batch and calls back once for each of its messages, in their order. 0, or -errno:
 * nothing was sent, and nothing called back. */
int tc_exchange(struct tc_socket *, struct tc_batch *,
                void (*answer)(void *aux, unsigned index, const struct tc_answer *), void *aux);

/* A dump: its request is sent, then objects are read one by one, as slowly as is wanted: the
 * kernel makes the rest when there is room for it. Another request on the socket ends it.
 * 0 or -errno. */
int tc_dump_begin(struct tc_socket *, struct nlmsghdr *request);
/* 1 and *object, valid until the next call; 0 at the end; -EINTR at the end of one that was not one
 * state, and is to be asked for again; or another -errno (tc_socket_words()). */
int tc_dump_next(struct tc_socket *, const struct nlmsghdr **object);

/* One request and its acknowledgement: 0 or -errno. 'visit' (may be NULL) gets the objects. */
int tc_request(struct tc_socket *, struct nlmsghdr *request,
               void (*visit)(void *aux, const struct nlmsghdr *), void *aux);

/* The socket's own number: what others did has another. */
unsigned tc_socket_portid(const struct tc_socket *);

/* What the kernel said to the latest request or dump, "" if nothing. */
const char *tc_socket_words(const struct tc_socket *);

#endif /* drivers/tc/exchange.h */

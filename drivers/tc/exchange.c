/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/tc/exchange.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* The kernel fills dumps in pieces of at most 32 KB; a filter with 32 actions takes less. */
enum { RECEIVE_SIZE = 64 << 10, MESSAGE_MAX = 16 << 10, TIMEOUT_S = 10 };

struct tc_socket {
    struct mnl_socket *nl;
    unsigned portid;
    uint32_t seq;                /* of the latest request */
    void (*received)(void *aux); /* NULL: nobody wants to know */
    void *aux;
    const struct nlmsghdr *next; /* of a dump: the next message, in 'left' bytes */
    int left;
    bool interrupted;            /* it was not one state */
    char words[HAL_WORDS_SIZE];  /* of its end */
    bool has_echo;               /* of the message whose acknowledgement comes next */
    char echo[MESSAGE_MAX];
    char buffer[RECEIVE_SIZE];
};

/* --- sockets ---------------------------------------------------------------------------------- */

static void
set_option(struct mnl_socket *nl, int option)
{
    int on = 1;
    /* Older kernels have fewer words, and are as strict as they were. */
    (void) mnl_socket_setsockopt(nl, option, &on, sizeof on);
}

static bool
set_up(struct tc_socket *s, size_t receive_size)
{
    int size = (int) receive_size, fd = mnl_socket_get_fd(s->nl);
    struct timeval timeout = { .tv_sec = TIMEOUT_S };
    set_option(s->nl, NETLINK_EXT_ACK);
    set_option(s->nl, NETLINK_CAP_ACK);
    set_option(s->nl, NETLINK_GET_STRICT_CHK);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) {
        (void) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
    size = 2 * TC_BATCH_SIZE;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size)) {
        (void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    }
    (void) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    return mnl_socket_bind(s->nl, 0, MNL_SOCKET_AUTOPID) >= 0;
}

struct tc_socket *
tc_socket_new(size_t receive_size)
{
    struct tc_socket *s = calloc(1, sizeof *s);
    if (!s) {
        return NULL;
    }
    s->nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (!s->nl || !set_up(s, receive_size)) {
        int error = errno;
        tc_socket_free(s);
        errno = error;
        return NULL;
    }
    s->portid = mnl_socket_get_portid(s->nl);
    return s;
}

void
tc_socket_free(struct tc_socket *s)
{
    if (s) {
        if (s->nl) {
            mnl_socket_close(s->nl);
        }
        free(s);
    }
}

void
tc_socket_notify(struct tc_socket *s, void (*received)(void *aux), void *aux)
{
    s->received = received;
    s->aux = aux;
}

/* --- batches ---------------------------------------------------------------------------------- */

bool
tc_batch_init(struct tc_batch *batch)
{
    *batch = (struct tc_batch) { .data = malloc(TC_BATCH_SIZE + MESSAGE_MAX) };
    return batch->data;
}

void
tc_batch_fini(struct tc_batch *batch)
{
    free(batch->data);
    batch->data = NULL;
}

void *
tc_batch_next(struct tc_batch *batch, size_t *size)
{
    *size = MESSAGE_MAX;
    return batch->n < TC_BATCH_MAX && batch->size < TC_BATCH_SIZE ? batch->data + batch->size : NULL;
}

void
tc_batch_add(struct tc_batch *batch, const struct nlmsghdr *message)
{
    batch->size += MNL_ALIGN(message->nlmsg_len);
    batch->n++;
}

void
tc_batch_clear(struct tc_batch *batch)
{
    batch->size = batch->n = 0;
}

/* --- what the kernel says --------------------------------------------------------------------- */

/* An acknowledgement's words: what follows the request's header, which is all of it that the
 * kernel sends back where it can cap it. */
static int
find_words(const struct nlattr *attr, void *aux)
{
    const char **words = aux;
    if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0) {
        *words = mnl_attr_get_str(attr);
    }
    return MNL_CB_OK;
}

static struct tc_answer
read_acknowledgement(const struct nlmsghdr *message)
{
    struct tc_answer answer = { .error = -EPROTO, .words = "" };
    if (mnl_nlmsg_get_payload_len(message) < sizeof(struct nlmsgerr)) {
        return answer;
    }
    const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);
    size_t offset = sizeof *error;
    answer.error = error->error;
    if (!(message->nlmsg_flags & NLM_F_CAPPED)) {
        offset += error->msg.nlmsg_len - sizeof error->msg;
    }
    if (message->nlmsg_flags & NLM_F_ACK_TLVS && offset <= mnl_nlmsg_get_payload_len(message)) {
        mnl_attr_parse(message, (unsigned) MNL_ALIGN(offset), find_words, &answer.words);
    }
    return answer;
}

static int
receive(struct tc_socket *s, int flags)
{
    ssize_t n;
    do {
        n = recv(mnl_socket_get_fd(s->nl), s->buffer, sizeof s->buffer, flags);
    } while (n < 0 && errno == EINTR);
    if (n > 0 && s->received) {
        s->received(s->aux);
    }
    return n < 0 ? -errno : (int) n;
}

/* A batch whose answers are being read. */
struct exchange {
    struct tc_socket *s;
    uint32_t first;              /* number of its first message */
    unsigned n, next;            /* messages; the first that nothing was said of to the caller */
    bool overrun;                /* answers were lost */
    void (*answer)(void *, unsigned, const struct tc_answer *);
    void *aux;
};

/* Says of messages up to 'until' that they went well, since the kernel would have said so if they had
 * not; or that their answers are lost. */
static void
say_until(struct exchange *x, unsigned until)
{
    const struct nlmsghdr *echo = (const void *) x->s->echo;
    while (x->next < until) {
        bool has_echo = x->s->has_echo && echo->nlmsg_seq == x->first + x->next;
        struct tc_answer said = { .error = x->overrun && !has_echo ? TC_NOT_TOLD : 0, .words = "",
                                  .echo = has_echo ? echo : NULL };
        x->answer(x->aux, x->next++, &said);
    }
}

static void
keep_echo(struct tc_socket *s, const struct nlmsghdr *message)
{
    s->has_echo = message->nlmsg_len <= sizeof s->echo;
    if (s->has_echo) {
        memcpy(s->echo, message, message->nlmsg_len);
    }
}

/* One message of the answer. */
static void
take_answer(struct exchange *x, const struct nlmsghdr *message)
{
    struct tc_socket *s = x->s;
    unsigned index = message->nlmsg_seq - x->first;
    if (message->nlmsg_pid != s->portid || index >= x->n || index < x->next) {
        return;                      /* of an earlier exchange */
    }
    say_until(x, index);
    if (message->nlmsg_type != NLMSG_ERROR) {
        keep_echo(s, message);
        return;
    }
    struct tc_answer said = read_acknowledgement(message);
    const struct nlmsghdr *echo = (const void *) s->echo;
    if (s->has_echo && echo->nlmsg_seq == message->nlmsg_seq) {
        said.echo = echo;
    }
    x->next++;
    x->answer(x->aux, index, &said);
}

/* --- exchanges -------------------------------------------------------------------------------- */

/* Only the last is acknowledged: of the others the kernel says when they fail. */
static void
number(struct tc_socket *s, struct tc_batch *batch)
{
    struct nlmsghdr *message = NULL;
    size_t at = 0;
    for (unsigned i = 0; i < batch->n; i++) {
        message = (void *) (batch->data + at);
        message->nlmsg_seq = ++s->seq;
        message->nlmsg_pid = s->portid;
        message->nlmsg_flags |= NLM_F_REQUEST;
        at += MNL_ALIGN(message->nlmsg_len);
    }
    message->nlmsg_flags |= NLM_F_ACK;
}

int
tc_exchange(struct tc_socket *s, struct tc_batch *batch,
            void (*answer)(void *, unsigned, const struct tc_answer *), void *aux)
{
    if (!batch->n) {
        return 0;
    }
    number(s, batch);
    if (mnl_socket_sendto(s->nl, batch->data, batch->size) < 0) {
        return -errno;
    }
    s->has_echo = false;
    struct exchange x = { s, s->seq - batch->n + 1, batch->n, 0, false, answer, aux };
    while (x.next < x.n) {
        int size = receive(s, MSG_DONTWAIT);
        if (size == -ENOBUFS) {
            x.overrun = true;        /* what did not fit is lost; the rest is there */
            continue;
        }
        if (size <= 0) {
            break;
        }
        for (const struct nlmsghdr *m = (const void *) s->buffer; mnl_nlmsg_ok(m, size);
             m = mnl_nlmsg_next(m, &size)) {
            take_answer(&x, m);
        }
    }
    x.overrun = true;                /* the end is lost, and what else is not known */
    say_until(&x, x.n);
    return 0;
}

/* --- requests and dumps ------------------------------------------------------------------------- */

static int
send_request(struct tc_socket *s, struct nlmsghdr *request, int flags)
{
    request->nlmsg_seq = ++s->seq;
    request->nlmsg_pid = s->portid;
    request->nlmsg_flags |= (uint16_t) (NLM_F_REQUEST | flags);
    s->next = NULL;
    s->left = 0;
    s->interrupted = false;
    s->words[0] = '\0';
    return mnl_socket_sendto(s->nl, request, request->nlmsg_len) < 0 ? -errno : 0;
}

int
tc_dump_begin(struct tc_socket *s, struct nlmsghdr *request)
{
    return send_request(s, request, NLM_F_DUMP);
}

/* The end of an answer: 0, or what it says went wrong. */
static int
ending(struct tc_socket *s, const struct nlmsghdr *message)
{
    int error = 0;
    if (message->nlmsg_type == NLMSG_ERROR) {
        struct tc_answer said = read_acknowledgement(message);
        snprintf(s->words, sizeof s->words, "%s", said.words);
        error = said.error;
    } else if (mnl_nlmsg_get_payload_len(message) >= sizeof error) {
        memcpy(&error, mnl_nlmsg_get_payload(message), sizeof error);
    }
    return error ? error : s->interrupted ? -EINTR : 0;
}

int
tc_dump_next(struct tc_socket *s, const struct nlmsghdr **out)
{
    for (;;) {
        if (!mnl_nlmsg_ok(s->next, s->left)) {
            s->left = receive(s, 0);
            if (s->left <= 0) {
                return s->left ? s->left : -EPROTO;
            }
            s->next = (const void *) s->buffer;
            continue;
        }
        const struct nlmsghdr *message = s->next;
        s->next = mnl_nlmsg_next(message, &s->left);
        if (message->nlmsg_seq != s->seq || message->nlmsg_pid != s->portid) {
            continue;                /* of an earlier one that was not read to its end */
        }
        s->interrupted |= (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
        if (message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE) {
            return ending(s, message);
        }
        *out = message;
        return 1;
    }
}

unsigned
tc_socket_portid(const struct tc_socket *s)
{
    return s->portid;
}

const char *
tc_socket_words(const struct tc_socket *s)
{
    return s->words;
}

int
tc_request(struct tc_socket *s, struct nlmsghdr *request,
           void (*visit)(void *, const struct nlmsghdr *), void *aux)
{
    int result = send_request(s, request, NLM_F_ACK);
    const struct nlmsghdr *message;
    while (!result && (result = tc_dump_next(s, &message)) > 0) {
        if (visit) {
            visit(aux, message);
        }
        result = 0;
    }
    return result;
}

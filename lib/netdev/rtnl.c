/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/netdev/rtnl.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The kernel fills dumps in pieces of at most 32 KB. */
enum { BUFFER_SIZE = 64 << 10, SEQ = 1 };

struct nl_msg *
rtnl_msg_new(int type, int flags, const void *header, size_t size)
{
    struct nl_msg *msg = nlmsg_alloc();
    if (msg && (!nlmsg_put(msg, 0, SEQ, type, 0, NLM_F_REQUEST | flags)
                || nlmsg_append(msg, (void *) (uintptr_t) header, size, NLMSG_ALIGNTO))) {
        nlmsg_free(msg);
        msg = NULL;
    }
    return msg;
}

static int
open_socket(int protocol, unsigned groups, int flags)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, protocol);
    if (fd < 0) {
        return -errno;
    }
    struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = groups };
    if (bind(fd, (struct sockaddr *) &addr, sizeof addr)) {
        int error = errno;
        close(fd);
        return -error;
    }
    int on = 1;
    /* Without these there are just fewer words. */
    (void) setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    (void) setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    return fd;
}

int
rtnl_socket(unsigned groups, int flags)
{
    return open_socket(NETLINK_ROUTE, groups, flags);
}

/* The kernel's words in an error message, or NULL. */
static const char *
extack_words(const struct nlmsghdr *hdr)
{
    const struct nlmsgerr *error = NLMSG_DATA(hdr);
    size_t offset = sizeof *error;
    if (!(hdr->nlmsg_flags & NLM_F_ACK_TLVS)) {
        return NULL;
    }
    if (!(hdr->nlmsg_flags & NLM_F_CAPPED)) {
        offset += error->msg.nlmsg_len - sizeof error->msg;
    }
    if (NLMSG_LENGTH(offset) > hdr->nlmsg_len) {
        return NULL;
    }
    struct nlattr *head = (struct nlattr *) (void *) ((char *) NLMSG_DATA(hdr) + offset);
    struct nlattr *words = nla_find(head, (int) (hdr->nlmsg_len - NLMSG_LENGTH(offset)),
                                    NLMSGERR_ATTR_MSG);
    return words ? nla_get_string(words) : NULL;
}

static int
handle_error(const struct nlmsghdr *hdr, struct errmsg *err)
{
    const struct nlmsgerr *error = NLMSG_DATA(hdr);
    if (error->error) {
        const char *words = extack_words(hdr);
        errmsg_set(err, "%s%s%s%s", strerror(-error->error), words ? " (" : "",
                   words ? words : "", words ? ")" : "");
    }
    return error->error;
}

/* One datagram of the answer. True when it was the last, with *rc. */
static bool
handle_datagram(const struct nlmsghdr *hdr, int len, rtnl_reply_fn *reply, void *aux, int *rc,
                struct errmsg *err)
{
    for (; nlmsg_ok(hdr, len); hdr = nlmsg_next((struct nlmsghdr *) (uintptr_t) hdr, &len)) {
        if (hdr->nlmsg_flags & NLM_F_DUMP_INTR) {
            *rc = -EINTR;
            return true;
        }
        switch (hdr->nlmsg_type) {
        case NLMSG_ERROR:
            *rc = handle_error(hdr, err);
            return true;
        case NLMSG_DONE:
            *rc = 0;
            return true;
        default:
            *rc = reply ? reply(hdr, aux) : 0;
            if (*rc < 0) {
                return true;
            }
        }
    }
    return false;
}

static int
receive_answer(int fd, rtnl_reply_fn *reply, void *aux, struct errmsg *err)
{
    struct nlmsghdr *buffer = malloc(BUFFER_SIZE);
    int rc = buffer ? 0 : -ENOMEM;
    bool last = !buffer;
    while (!last) {
        ssize_t n = recv(fd, buffer, BUFFER_SIZE, 0);
        if (n >= 0) {
            last = handle_datagram(buffer, (int) n, reply, aux, &rc, err);
        } else if (errno != EINTR) {
            rc = -errno;
            errmsg_set(err, "netlink: %s", strerror(errno));
            last = true;
        }
    }
    free(buffer);
    return rc;
}

int
rtnl_request(struct nl_msg *msg, rtnl_reply_fn *reply, void *aux, struct errmsg *err)
{
    return rtnl_request_of(NETLINK_ROUTE, msg, reply, aux, err);
}

int
rtnl_request_of(int protocol, struct nl_msg *msg, rtnl_reply_fn *reply, void *aux,
                struct errmsg *err)
{
    if (!msg) {
        errmsg_set(err, "out of memory");
        return -ENOMEM;
    }
    struct nlmsghdr *hdr = nlmsg_hdr(msg);
    if ((hdr->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP) {
        hdr->nlmsg_flags |= NLM_F_ACK;
    }
    int fd = open_socket(protocol, 0, 0), rc = fd < 0 ? fd : 0;
    if (!rc && send(fd, hdr, hdr->nlmsg_len, 0) < 0) {
        rc = -errno;
    }
    if (rc) {
        errmsg_set(err, "netlink: %s", strerror(-rc));
    } else {
        rc = receive_answer(fd, reply, aux, err);
    }
    if (fd >= 0) {
        close(fd);
    }
    nlmsg_free(msg);
    return rc;
}

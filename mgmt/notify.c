/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static void
notify_send(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t len = path ? strlen(path) : 0;
    if (len < 2 || len >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@')) {
        return;
    }
    memcpy(address.sun_path, path, len);
    if (path[0] == '@') {
        address.sun_path[0] = '\0';   /* an abstract address */
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        /* A manager that does not listen is no reason to stop. */
        (void) !sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *) &address,
                       offsetof(struct sockaddr_un, sun_path) + len);
        close(fd);
    }
}

void
notify_ready(size_t n_bridges)
{
    char text[80];
    snprintf(text, sizeof text, "READY=1\nSTATUS=Switching; bridges: %zu", n_bridges);
    notify_send(text);
}

void
notify_reloading(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    char text[80];
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long) now.tv_sec * 1000000 + now.tv_nsec / 1000);
    notify_send(text);
}

void
notify_stopping(void)
{
    notify_send("STOPPING=1");
}

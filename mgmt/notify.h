/* SPDX-License-Identifier: Apache-2.0 */
/* Telling the service manager how we are: the protocol of sd_notify(3), Type=notify. */
#ifndef MGMT_NOTIFY_H
#define MGMT_NOTIFY_H 1

#include <stddef.h>

/* Each does nothing, silently, when no manager asked for it ($NOTIFY_SOCKET). */

/* Ready, or again after a reload; with a line for `systemctl status` on that many bridges. */
void notify_ready(size_t n_bridges);
void notify_reloading(void);
void notify_stopping(void);

#endif /* mgmt/notify.h */

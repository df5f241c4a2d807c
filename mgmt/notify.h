/* SPDX-License-Identifier: Apache-2.0 */
/* Telling the service manager how we are: the protocol of sd_notify(3), Type=notify. */
#ifndef MGMT_NOTIFY_H
#define MGMT_NOTIFY_H 1

/* Each does nothing, silently, when no manager asked for it ($NOTIFY_SOCKET). */

void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);
/* One line for `systemctl status`. */
void notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif /* mgmt/notify.h */

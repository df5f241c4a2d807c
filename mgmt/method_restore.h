/* SPDX-License-Identifier: Apache-2.0 */
/* Flows that a control client stages, until it has them put into the table or goes. */
#ifndef MGMT_METHOD_RESTORE_H
#define MGMT_METHOD_RESTORE_H 1

struct bridge;
struct restore;

/* Forgets what is staged: the client's pointer becomes NULL. NULL does nothing. */
void restore_close(struct restore *);
/* The bridge goes: for all its clients. */
void restore_close_all(struct bridge *);

#endif /* mgmt/method_restore.h */

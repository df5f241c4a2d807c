/* SPDX-License-Identifier: Apache-2.0 */
/* A control client that watches OpenFlow connections: a line for each message. */
#ifndef MGMT_METHOD_SNOOP_H
#define MGMT_METHOD_SNOOP_H 1

struct snoop_stream;

/* Ends it. NULL does nothing. */
void snoop_stream_free(struct snoop_stream *);
/* The client has read everything. NULL does nothing. */
void snoop_stream_written(struct snoop_stream *);

#endif /* mgmt/method_snoop.h */

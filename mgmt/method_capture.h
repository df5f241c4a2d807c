/* SPDX-License-Identifier: Apache-2.0 */
/* A control client that is told the packets of some flows, which go by software meanwhile. */
#ifndef MGMT_METHOD_CAPTURE_H
#define MGMT_METHOD_CAPTURE_H 1

struct capture_stream;

/* Ends it: the flows may go into hardware again. NULL does nothing. */
void capture_stream_free(struct capture_stream *);

#endif /* mgmt/method_capture.h */

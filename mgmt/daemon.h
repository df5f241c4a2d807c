/* SPDX-License-Identifier: Apache-2.0 */
/* turnoutd from its command line to its exit status. */
#ifndef MGMT_DAEMON_H
#define MGMT_DAEMON_H 1

enum daemon_exit {
    DAEMON_OK = 0,
    DAEMON_FAILED = 1,            /* something broke, or could not be had */
    DAEMON_USAGE = 2,             /* the options or the configuration file */
    DAEMON_RUNNING = 3,           /* another one has the pid file or the control socket */
};

/* Runs the daemon until SIGTERM or SIGINT; returns the exit status. SIGHUP reads the
 * configuration again. Called once, by main(). */
int daemon_main(int argc, char *argv[]);

#endif /* mgmt/daemon.h */

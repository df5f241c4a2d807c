/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "mgmt/daemon.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "mgmt/bridges.h"
#include "mgmt/control.h"
#include "mgmt/detach.h"
#include "mgmt/hardware.h"
#include "mgmt/notify.h"
#include "mgmt/options.h"
#include "mgmt/pidfile.h"
#include "mgmt/privileges.h"
#include "mgmt/reload.h"
#include "mgmt/tls_config.h"
#include "ofagent/lockstep.h"

LOG_MODULE(daemon);

struct daemon {
    struct reload reload;          /* the configuration, and how it is read again */
    struct loop *loop;
    struct detach *detach;
    struct pidfile *pidfile;
    struct control_socket *socket;
    struct control *control;
    struct hardware *hardware;
    struct dp *dp;
    struct lockstep *lockstep;
    struct tls *tls;
    struct bridges *bridges;
    struct loop_signal *signals[3];
};

/* --- starting ---------------------------------------------------------------------- */

/* Says why it ends, where a person or a log will see it. */
static int
give_up(int status, const struct errmsg *err)
{
    fprintf(stderr, "turnoutd: %s\n", err->text);
    return status;
}

static int
status_of(int error)
{
    return error == -EALREADY ? DAEMON_RUNNING : DAEMON_FAILED;
}

static int
make_rundir(const char *path, struct errmsg *err)
{
    struct stat info;
    if (mkdir(path, 0755) && errno != EEXIST) {
        errmsg_set(err, "can't make the directory %s: %s", path, strerror(errno));
        return -EIO;
    }
    if (stat(path, &info) || !S_ISDIR(info.st_mode)) {
        errmsg_set(err, "%s is not a directory", path);
        return -ENOTDIR;
    }
    return 0;
}

static int
load_tls(struct daemon *daemon, struct errmsg *err)
{
    daemon->tls = daemon->reload.tls = tls_new(loop_base(daemon->loop));
    if (!daemon->tls) {
        errmsg_set(err, "no memory");
        return -ENOMEM;
    }
    return tls_config_load(daemon->tls, daemon->reload.config, err);
}

/* What needs more rights than are kept, and what proves that we are the only one. */
static int
open_privileged(struct daemon *daemon, struct errmsg *err)
{
    const struct config *config = daemon->reload.config;
    int error = 0;
    if (config->pidfile) {
        error = pidfile_take(config->pidfile, &daemon->pidfile, err);
    }
    if (!error) {
        error = make_rundir(config->rundir, err);
    }
    if (!error) {
        error = control_socket_open(config->control, config->control_group, &daemon->socket, err);
    }
    if (!error) {
        error = load_tls(daemon, err);
    }
    error = error ? error : privileges_drop(err);
    if (!error) {
        tls_config_check_access(config);
    }
    return error;
}

static int
start_switching(struct daemon *daemon, struct errmsg *err)
{
    struct config *config = daemon->reload.config;
    int error = hardware_new(loop_base(daemon->loop), config, &daemon->hardware, err);
    if (error) {
        return -EIO;
    }
    const struct dp_config dp_config = {
        .cpus = config->cpus,
        .cache_entries = config->cache_entries,
        .threads = true,
        .hal = hardware_hal(daemon->hardware),
        .promote_pps = HARDWARE_PROMOTE_PPS,
        .governor = config->governor,
    };
    daemon->dp = dp_new(loop_base(daemon->loop), &dp_config, err);
    if (!daemon->dp) {
        return -EIO;
    }
    daemon->lockstep = lockstep_new(loop_base(daemon->loop));
    if (!daemon->lockstep) {
        errmsg_set(err, "no memory");
        return -ENOMEM;
    }
    const struct bridges_env env = {
        .base = loop_base(daemon->loop),
        .lockstep = daemon->lockstep,
        .dp = daemon->dp,
        .tls = daemon->tls,
        .hardware = daemon->hardware,
        .rundir = config->rundir,
        .local_kind = PKTIO_TAP,
        .port_kind = PKTIO_AFPACKET,
    };
    daemon->bridges = bridges_new(&env);
    if (!daemon->bridges) {
        errmsg_set(err, "no memory");
        return -ENOMEM;
    }
    daemon->reload.bridges = daemon->bridges;
    daemon->reload.dp = daemon->dp;
    if (bridges_apply(daemon->bridges, NULL, config, err)) {
        return -EIO;
    }
    hardware_start(daemon->hardware, daemon->bridges);
    return 0;
}

static int
start_control(struct daemon *daemon, struct errmsg *err)
{
    const struct method_env env = {
        .bridges = daemon->bridges, .dp = daemon->dp, .hardware = daemon->hardware, .started_ms = clock_ms(), .reload = &daemon->reload,
    };
    daemon->control = control_new(loop_base(daemon->loop), daemon->socket, &env, err);
    return daemon->control ? 0 : -ENOMEM;
}

static void
on_signal(void *aux, int number)
{
    struct daemon *daemon = aux;
    if (number == SIGHUP) {
        reload_now(&daemon->reload);
    } else {
        log_info("ending on %s", number == SIGTERM ? "SIGTERM" : "SIGINT");
        loop_stop(daemon->loop);
    }
}

/* Descriptors of everything but connections: ports, workers, files. */
enum { OTHER_DESCRIPTORS = 4096 };

/* A descriptor a connection and a few a port and worker: the soft limit of a shell is soon
 * reached, so take what the hard one allows, and more if connections may need it. */
static void
raise_descriptor_limit(const struct config *config)
{
    struct rlimit limit;
    rlim_t want = OTHER_DESCRIPTORS;
    for (size_t i = 0; i < config->n_bridges; i++) {
        want += 2 * config->bridges[i].agent.max_connections;   /* listeners, management */
    }
    if (getrlimit(RLIMIT_NOFILE, &limit)) {
        return;
    }
    rlim_t hard = limit.rlim_max;
    limit.rlim_cur = limit.rlim_max = want > hard ? want : hard;
    if (!setrlimit(RLIMIT_NOFILE, &limit)) {
        return;
    }
    log_warn("%llu files may be open, and %llu may be needed for the connections that are "
             "allowed, but the limit can't be raised: %s", (unsigned long long) hard,
             (unsigned long long) want, strerror(errno));
    limit.rlim_cur = limit.rlim_max = hard;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static const int caught_signals[] = { SIGTERM, SIGINT, SIGHUP };

/* Until they are caught, signals wait: one that comes while the switch starts ends it as any
 * other does, cleanly and with status 0, once it has started. */
static void
hold_signals(int how)
{
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < 3; i++) {
        sigaddset(&set, caught_signals[i]);
    }
    sigprocmask(how, &set, NULL);
}

static int
catch_signals(struct daemon *daemon, struct errmsg *err)
{
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < 3; i++) {
        daemon->signals[i] = loop_signal_new(daemon->loop, caught_signals[i], on_signal, daemon);
        if (!daemon->signals[i]) {
            errmsg_set(err, "can't catch signals");
            return -EIO;
        }
    }
    hold_signals(SIG_UNBLOCK);
    return 0;
}

static int
start(struct daemon *daemon, struct errmsg *err)
{
    daemon->loop = loop_new(err);
    if (!daemon->loop) {
        return -EIO;
    }
    raise_descriptor_limit(daemon->reload.config);
    int error = open_privileged(daemon, err);
    /* Signals before threads: those inherit what is ignored and caught. */
    error = error ? error : catch_signals(daemon, err);
    error = error ? error : start_switching(daemon, err);
    return error ? error : start_control(daemon, err);
}

/* --- ending ------------------------------------------------------------------------ */

/* In the reverse order; what start() did not get to is NULL. */
static void
stop(struct daemon *daemon)
{
    control_free(daemon->control);
    hardware_ending(daemon->hardware);
    bridges_free(daemon->bridges);
    lockstep_free(daemon->lockstep);
    tls_free(daemon->tls);
    dp_free(daemon->dp);
    hardware_free(daemon->hardware);
    for (int i = 0; i < 3; i++) {
        loop_signal_free(daemon->signals[i]);
    }
    control_socket_close(daemon->socket);
    pidfile_release(daemon->pidfile);
    loop_free(daemon->loop);
}

/* --- running ----------------------------------------------------------------------- */

/* In the background there is no stderr, so unless told otherwise the log goes to syslog
 * from here on; until now a person has seen it. */
static void
become_ready(struct daemon *daemon)
{
    struct config *config = daemon->reload.config;
    if (config->detach && !config->log_to) {
        log_set_target("syslog", NULL);
    }
    log_info("ready: turnoutd %s, %zu bridge%s", PACKAGE_VERSION, config->n_bridges,
             config->n_bridges == 1 ? "" : "s");
    notify_ready(config->n_bridges);
    detach_tell(daemon->detach, DAEMON_OK);
    daemon->detach = NULL;
}

static int
run(struct daemon *daemon)
{
    struct errmsg err = { "" };
    int error = start(daemon, &err);
    if (error) {
        give_up(status_of(error), &err);
        stop(daemon);
        detach_tell(daemon->detach, status_of(error));
        return status_of(error);
    }
    become_ready(daemon);
    int broken = loop_run(daemon->loop);
    notify_stopping();
    stop(daemon);
    log_info("ended");
    return broken ? DAEMON_FAILED : DAEMON_OK;
}

/* What needs no daemon. True, and the status, if that was all. */
static bool
answer_request(enum config_request request, int *status)
{
    *status = DAEMON_OK;
    switch (request) {
    case CONFIG_HELP:
        options_help(stdout, 80);
        return true;
    case CONFIG_VERSION:
        printf("turnoutd %s\n", PACKAGE_VERSION);
        return true;
    case CONFIG_CHECK:
        puts("turnoutd: the configuration is valid");
        return true;
    case CONFIG_RUN:
        break;
    }
    return false;
}

int
daemon_main(int argc, char *argv[])
{
    struct errmsg err = { "" };
    char base_dir[PATH_MAX];
    struct daemon daemon = { .reload = { .argc = argc, .argv = argv, .base_dir = base_dir } };
    hold_signals(SIG_BLOCK);
    if (!getcwd(base_dir, sizeof base_dir)) {
        strcpy(base_dir, "/");
    }
    enum config_request request;
    if (config_parse(argc, argv, base_dir, &daemon.reload.config, &request, &err)) {
        give_up(DAEMON_USAGE, &err);
        fputs("Try 'turnoutd --help'.\n", stderr);
        return DAEMON_USAGE;
    }
    int status;
    if (!answer_request(request, &status)) {
        if (daemon.reload.config->log_to && log_set_target(daemon.reload.config->log_to, &err)) {
            status = give_up(DAEMON_FAILED, &err);
        } else if (daemon.reload.config->detach && detach_start(&daemon.detach, &err)) {
            status = give_up(DAEMON_FAILED, &err);
        } else {
            status = run(&daemon);
        }
    }
    config_free(daemon.reload.config);
    return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/reload.h"

#include <stdlib.h>
#include <string.h>

#include "lib/counters.h"
#include "lib/log.h"
#include "lib/tls.h"
#include "mgmt/notify.h"
#include "mgmt/options.h"
#include "mgmt/tls_config.h"

LOG_MODULE(daemon);

static bool
equal(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

/* Says that 'name' stays as it was, and puts it back. */
static void
keep_text(const char *name, char **new, const char *old)
{
    if (equal(*new, old)) {
        return;
    }
    log_warn("%s can't change while turnoutd runs: it stays %s; restart for %s", name,
             old ? old : "unset", *new ? *new : "none");
    free(*new);
    *new = old ? config_strdup(old) : NULL;
}

static bool
drivers_equal(const struct config *a, const struct config *b)
{
    bool same = a->n_drivers == b->n_drivers && a->restart_grace_s == b->restart_grace_s
                && a->hw_moves == b->hw_moves && a->keep_on_exit == b->keep_on_exit;
    for (size_t i = 0; i < a->n_drivers && same; i++) {
        same = !strcmp(a->drivers[i].name, b->drivers[i].name)
               && !strcmp(a->drivers[i].options, b->drivers[i].options);
    }
    return same;
}

/* The new configuration gets the drivers of the old one, which is freed next. */
static void
keep_drivers(struct config *old, struct config *new)
{
    if (!drivers_equal(old, new)) {
        log_warn("driver, restart-grace, hw-moves and on-exit can't change while turnoutd runs: they "
                 "stay as they were; restart for the new ones");
    }
    struct config_driver *drivers = new->drivers;
    size_t n = new->n_drivers;
    new->drivers = old->drivers;
    new->n_drivers = old->n_drivers;
    new->restart_grace_s = old->restart_grace_s;
    new->hw_moves = old->hw_moves;
    new->keep_on_exit = old->keep_on_exit;
    old->drivers = drivers;
    old->n_drivers = n;
}

static void
keep_what_cannot_change(struct config *old, struct config *new)
{
    keep_text("rundir", &new->rundir, old->rundir);
    keep_text("control", &new->control, old->control);
    keep_text("control-group", &new->control_group, old->control_group);
    keep_text("cpu", &new->cpus, old->cpus);
    keep_text("pidfile", &new->pidfile, old->pidfile);
    if (new->cache_entries != old->cache_entries) {
        log_warn("cache-entries can't change while turnoutd runs: it stays %u; restart for %u",
                 old->cache_entries, new->cache_entries);
        new->cache_entries = old->cache_entries;
    }
    keep_drivers(old, new);
    if (new->detach != old->detach) {
        log_warn("detach can't change while turnoutd runs");
        new->detach = old->detach;
    }
}

static void
apply_log_levels(const struct config *config)
{
    log_set_level("info", NULL);
    for (size_t i = 0; i < config->n_log_levels; i++) {
        log_set_level(config->log_levels[i], NULL);
    }
}

static const char *
log_target(const struct config *config)
{
    return config->log_to ? config->log_to : config->detach ? "syslog" : "stderr";
}

static void
apply_log(const struct config *old, struct config *new)
{
    struct errmsg err;
    apply_log_levels(new);
    if (!strcmp(log_target(old), log_target(new))) {
        return;
    }
    if (log_set_target(log_target(new), &err)) {
        log_error("log-to: %s; the log stays where it is", err.text);
        free(new->log_to);
        new->log_to = old->log_to ? config_strdup(old->log_to) : NULL;
    }
}

static void
replace_name(char **name, const char *value)
{
    free(*name);
    *name = config_strdup(value);
}

/* True if what 'new' names is loaded; otherwise what was loaded stays, if something was. */
static bool
apply_tls(struct reload *reload, const struct config *old, struct config *new)
{
    struct errmsg err;
    if (!tls_config_load(reload->tls, new, &err)) {
        if (new->private_key) {
            log_info("TLS: key and certificates loaded again; connections stay as they are");
        }
        return true;
    }
    if (!tls_is_loaded(reload->tls)) {
        log_error("TLS: %s; there is no TLS until that is put right, and a SIGHUP", err.text);
        return false;
    }
    log_error("TLS: %s; the key and certificates stay as they were", err.text);
    replace_name(&new->private_key, old->private_key);
    replace_name(&new->certificate, old->certificate);
    replace_name(&new->ca_cert, old->ca_cert);
    new->peer_ca_bootstrap = old->peer_ca_bootstrap;
    return false;
}

static bool
governors_equal(const struct governor_config *a, const struct governor_config *b)
{
    return a->mode == b->mode && a->drop == b->drop && a->setups.min == b->setups.min
           && a->setups.max == b->setups.max && a->entries.min == b->entries.min
           && a->entries.max == b->entries.max;
}

static bool
apply_governor(struct reload *reload, const struct config *old, struct config *new)
{
    if (governors_equal(&old->governor, &new->governor)) {
        return true;
    }
    if (dp_set_governor(reload->dp, &new->governor)) {
        log_error("governor: no memory for the new settings; the old ones stay");
        new->governor = old->governor;
        return false;
    }
    return true;
}

static void
apply_config(struct reload *reload, struct config *new)
{
    struct config *old = reload->config;
    struct errmsg err;
    keep_what_cannot_change(old, new);
    apply_log(old, new);
    unsigned n_failed = !apply_tls(reload, old, new);
    n_failed += !apply_governor(reload, old, new);
    n_failed += bridges_apply(reload->bridges, old, new, &err);
    counter_add(COUNTER_config_partial, n_failed);
    reload->config = new;
    config_free(old);
    if (n_failed) {
        log_warn("configuration applied, but for %u thing%s", n_failed, n_failed == 1 ? "" : "s");
    } else {
        log_info("configuration applied");
    }
}

void
reload_now(struct reload *reload)
{
    struct config *new;
    enum config_request request;
    struct errmsg err;
    notify_reloading();
    if (log_reopen(&err)) {
        log_error("the log file can't be opened again: %s; the old one is used", err.text);
    }
    if (config_parse(reload->argc, reload->argv, reload->base_dir, &new, &request, &err)) {
        counter_inc(COUNTER_config_refused);
        apply_log_levels(reload->config);
        log_error("the configuration is refused, nothing changes: %s", err.text);
    } else {
        apply_config(reload, new);
    }
    notify_ready(reload->config->n_bridges);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* How each of turnoutd's options takes its value: the 'set' column of option_rows. */
#ifndef MGMT_OPTION_VALUES_H
#define MGMT_OPTION_VALUES_H 1

#include "mgmt/options.h"

typedef int option_setter(struct config_parser *, const char *value, struct errmsg *err);

option_setter option_set_driver, option_set_bridge, option_set_datapath_id, option_set_port;
option_setter option_set_queue;    /* option_queue.c */
option_setter option_set_controller, option_set_listen, option_set_fail_mode;
option_setter option_set_inactivity_probe, option_set_max_backoff, option_set_packet_in_rate;
option_setter option_set_packet_in_burst, option_set_max_connections;
option_setter option_set_fdb_max, option_set_fdb_age, option_set_max_flows;
option_setter option_set_max_emergency_flows, option_set_in_band;
option_setter option_set_control, option_set_control_group, option_set_rundir, option_set_cpu;
option_setter option_set_cache_entries, option_set_pidfile, option_set_detach;
option_setter option_set_private_key, option_set_certificate, option_set_ca_cert;
option_setter option_set_peer_ca_bootstrap;
option_setter option_set_log, option_set_log_to, option_set_config;
option_setter option_set_restart_grace, option_set_on_exit, option_set_hw_policy;
option_setter option_set_hw_moves;                          /* option_hardware.c */
option_setter option_set_governor, option_set_over_budget, option_set_setup_budget;
option_setter option_set_entry_budget;                      /* option_governor.c */
option_setter option_set_stp, option_set_forward_bpdu;      /* option_switching.c */
option_setter option_set_check_config, option_set_version, option_set_help;

/* What TLS needs is given: all of it if there is some of it, or a target that has TLS. 0 or
 * -EINVAL. */
int option_check_tls(const struct config *, struct errmsg *err);

/* Each port's driver is one that is given, and there is one where flows must be in hardware. 0 or
 * -EINVAL. */
int option_check_port_drivers(const struct config *, struct errmsg *err);
/* The drivers and their options, for --help. */
void options_help_drivers(FILE *);

/* "on", "off" or "first-packet". */
const char *option_governor_mode_name(enum governor_mode);

#endif /* mgmt/option_values.h */

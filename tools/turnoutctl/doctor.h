/* SPDX-License-Identifier: Apache-2.0 */
/* turnoutctl hw doctor, without its command line: what a port is, and what stands between it and
 * offload. Facts are collected (doctor_look.c, doctor_kernel.c), judged without looking at anything
 * else (doctor_judge.c), shown (doctor_json.c), and two of them can be changed (doctor_fix.c). */
#ifndef TOOLS_TURNOUTCTL_DOCTOR_H
#define TOOLS_TURNOUTCTL_DOCTOR_H 1

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "drivers/devlink/devlink.h"
#include "drivers/pci/pci.h"
#include "lib/netdev/feature.h"
#include "lib/netdev/link_detail.h"
#include "lib/netdev/tc_look.h"

enum doctor_code {
#define DOCTOR(NAME, WORD, BLOCKS) DOCTOR_##NAME,
#include "tools/turnoutctl/doctor.def"
#undef DOCTOR
    DOCTOR_N_CODES
};

enum {
    DOCTOR_WHAT_SIZE = 320,
    DOCTOR_COMMAND_SIZE = 320,
    DOCTOR_NAME_SIZE = 64,
    DOCTOR_MAX_FINDINGS = 32,
};

/* What a device is among others. */
enum doctor_role {
    DOCTOR_SOFTWARE,                 /* it is made of software: veth, bridge, ... */
    DOCTOR_NIC,                      /* of hardware, no port of a switch */
    DOCTOR_PORT,                     /* a switch's port that faces the world */
    DOCTOR_PF_REPRESENTOR, DOCTOR_VF_REPRESENTOR, DOCTOR_SF_REPRESENTOR,
    DOCTOR_VF,                       /* a virtual function itself */
    DOCTOR_N_ROLES
};
const char *doctor_role_name(enum doctor_role);

/* All that is known of a port. */
struct doctor_port {
    char name[PORT_NAME_SIZE];
    /* By turnoutd; "" and -1 without it. */
    char bridge[DOCTOR_NAME_SIZE], driver[DOCTOR_NAME_SIZE], options[DOCTOR_COMMAND_SIZE];
    int number;
    bool is_port;                    /* of the running turnoutd */

    bool gone;                       /* there is no such device; nothing below is known */
    struct link_detail link;
    struct driver_info kernel;
    struct feature hw_tc;
    bool has_tc;
    struct tc_look tc;
    bool has_pci;
    struct pci_device pci;
    char vendor_name[PCI_NAME_SIZE], device_name[PCI_NAME_SIZE];
    bool has_devlink_port;
    struct devlink_port devlink_port;
    const struct devlink_device *devlink;    /* NULL: none; several ports share it */
    enum doctor_role role;
    char representor[DEVLINK_NAME_SIZE];     /* of a VF: its representor here; "": not found */
    char problem[DOCTOR_WHAT_SIZE];  /* what could not be read, and why; "": nothing */
};

/* The kernel, as far as tc needs it. */
enum { DOCTOR_MAX_MODULES = 8 };
struct doctor_kernel {
    char release[65];
    const char *missing[DOCTOR_MAX_MODULES];
    unsigned n_missing;
    bool unknown;                    /* there is no telling what it has */
};

struct doctor_finding {
    enum doctor_code code;
    char what[DOCTOR_WHAT_SIZE];
    char command[DOCTOR_COMMAND_SIZE];   /* what would change it; "": nothing would */
    const char *quirk;               /* of DOCTOR_QUIRK: its name */
};

struct doctor_findings {
    struct doctor_finding at[DOCTOR_MAX_FINDINGS];
    unsigned n, n_left_out;
};

const char *doctor_code_name(enum doctor_code);
bool doctor_code_blocks(enum doctor_code);
/* True for the two that doctor_fix() changes. */
bool doctor_code_fixable(enum doctor_code);
/* How many of them stand in the way. */
unsigned doctor_count_blocking(const struct doctor_findings *);

/* --- facts ------------------------------------------------------------------------------ */

/* Fills what can be seen of the device 'name'; the members of turnoutd's stay as they are. What
 * can't be read is said in 'problem'. 'devices' keeps devlink's devices for all ports. */
struct doctor_devices;
void doctor_look(struct doctor_port *, struct doctor_devices *);
struct doctor_devices *doctor_devices_new(void);
void doctor_devices_free(struct doctor_devices *);

/* What the names of kernel, devlink and PCI make of a port. Pure. */
enum doctor_role doctor_role_of(const struct doctor_port *);

/* 'root': "" but in tests, which have trees of their own for /sys, /proc and /lib. 'release' NULL:
 * of the running kernel. */
void doctor_look_at_kernel(const char *root, const char *release, struct doctor_kernel *);

/* --- findings ---------------------------------------------------------------------------- */

void doctor_judge(const struct doctor_port *, struct doctor_findings *);
void doctor_judge_kernel(const struct doctor_kernel *, struct doctor_findings *);

/* --- changes ------------------------------------------------------------------------------- */

/* Does what can be done about a finding. 0 and *undo, a command; or -errno and *err. */
int doctor_fix(const struct doctor_port *, enum doctor_code, char undo[DOCTOR_COMMAND_SIZE],
               struct errmsg *);

/* --- output -------------------------------------------------------------------------------- */

json_t *doctor_port_json(const struct doctor_port *, const struct doctor_findings *);
json_t *doctor_findings_json(const struct doctor_findings *);
/* Prints what doctor_port_json() made. */
void doctor_print_port(const json_t *port);
void doctor_print_findings(const json_t *findings);

#endif /* tools/turnoutctl/doctor.h */

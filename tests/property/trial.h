/* SPDX-License-Identifier: Apache-2.0 */
/* A trial: the product and the naive switch get the same frames, messages and time, at
 * random, and must answer the same, step by step. Included by tests/property/ only.
 *
 *   trial.c           a trial's life, what is expected, time
 *   trial_frames.c    frames into ports, frames that left
 *   trial_flow_mod.c  FLOW_MODs
 *   trial_ports.c     ports, links, spanning tree states and queues that come, change and go
 *   trial_messages.c  the other messages that change something, and wrong ones
 *   trial_stats.c     statistics and other questions
 *   trial_hardware.c  offers to a device, and its faults
 *   trial_nxm.c       Nicira's dialect: matches under any mask
 *   trial_compare.c   what came from the product, against what is expected
 *   trial_plant.c     bugs on the product's side, to be found
 *
 * Everything random in a step comes from the trial's seed and the step's number, so steps
 * can be left out, which is how a failure is made small. */
#ifndef TESTS_PROPERTY_TRIAL_H
#define TESTS_PROPERTY_TRIAL_H 1

#include "tests/property/device_under_test.h"
#include "tests/property/reference.h"
#include "tests/property/shapes.h"
#include "tests/property/switch_under_test.h"

/* What happened, over all trials: a test that exercised nothing has not passed. */
#define TALLIES(X)                                                                             \
    X(trials) X(steps) X(frames) X(frames_out) X(flow_hits) X(exact_hits) X(table_misses)      \
    X(ambiguous) X(fragments_dropped) X(packet_ins_miss) X(packet_ins_action) X(packet_ins_ttl) X(buffered) \
    X(flow_mods) X(nxt_flow_mods) X(nxm_flow_stats) X(emergency_flow_mods)                     \
    X(emergency_flow_stats) X(flow_mods_refused)                                               \
    X(overlaps_refused) X(full_refused) X(queues_refused) X(frames_enqueued) X(queues_changed) \
    X(big_bursts) X(far_bursts) X(packet_outs) X(packet_outs_refused) X(table_outputs) X(buffers_used)       \
    X(buffers_refused) X(set_configs) X(port_mods) X(port_statuses) X(ports_removed)           \
    X(odd_messages) X(errors) X(removed_idle) X(removed_hard) X(removed_delete)                \
    X(flow_stats) X(aggregates) X(table_stats) X(port_stats) X(queue_stats) X(features) X(get_configs)        \
    X(barriers) X(echoes) X(cache_hits) X(cache_revalidated) X(cache_rederived)                \
    X(cache_misses) X(cache_evictions) X(cache_promoted) X(learnt)             \
    X(links_changed) X(stp_changed) X(stp_refused) X(held_by_stp)                              \
    X(hw_packets) X(hw_hits) X(hw_adds) X(hw_changes) X(hw_removes) X(hw_refused) X(hw_fenced)  \
    X(hw_repairs) X(hw_differences) X(hw_late_ms)

struct tally {
#define TALLY(NAME) uint64_t NAME;
    TALLIES(TALLY)
#undef TALLY
};
extern struct tally tally;
/* Times that a fault happened to something. */
extern uint64_t tally_faults[N_DUT_FAULTS];

/* Bugs on the product's side: what it is told, or says, is changed on the way. */
enum plant {
    PLANT_NONE,
    PLANT_DROPS_REWRITE,      /* a flow's last SET_* or STRIP_VLAN is left out */
    PLANT_ONE_PRIORITY,       /* all flows have the same priority */
    PLANT_SKIPS_DELETE,       /* every third strict DELETE does nothing */
    PLANT_LATE_CHANGE,        /* a FLOW_MOD now and then acts some frames late */
    PLANT_NO_OVERLAP_CHECK,
    PLANT_IGNORES_OUT_PORT,   /* DELETE does */
    PLANT_LONG_IDLE,          /* idle time-outs last a second longer */
    PLANT_MISCOUNTS_BYTES,    /* each flow counts a byte too many */
    PLANT_KEEPS_FRAGMENTS,    /* the fragment mode is ignored */
    PLANT_FLOODS_ALL,         /* NO_FLOOD is ignored */
    PLANT_LOSES_TAIL,         /* a long frame's last byte comes in wrong */
    PLANT_LOSES_MASK_BIT,     /* of the first mask in an NXT_FLOW_MOD */
    N_PLANTS
};

/* A device in front of the software, and how it behaves. */
struct hardware {
    const char *name;
    const char *driver;       /* see dut_wrap() */
    uint32_t faults;          /* 1 << enum dut_fault */
    uint32_t lag_ms;          /* counters are late by so much at most */
    uint32_t late_ms;         /* it answers a change so late at most */
    uint32_t demote_pps;
    uint8_t plain_percent;    /* of the lists of actions: what devices can do */
    uint8_t min_hit_percent;  /* so many of the frames must be forwarded by the device */
};

struct trial_config {
    const struct hardware *hardware;    /* NULL: none */
    bool attached;            /* of struct sut_config */
    uint64_t seed;
    enum shape_id shape;
    unsigned n_steps;
    const bool *skip;         /* of each step: left out; NULL: none is */
    enum plant plant;
    enum ref_plant ref_plant;
    enum dut_plant dut_plant;
    bool verbose;             /* tell what is done, on stderr */
};

enum {
    P_IN_PORT = 0xfff8, P_TABLE = 0xfff9, P_NORMAL = 0xfffa, P_CONTROLLER = 0xfffd, P_LOCAL = 0xfffe, P_NONE = 0xffff,
    MESSAGE_MAX = 4096, MESSAGES_MAX = 1 << 18, SENT_MAX = 8192, ARENA_SIZE = 8 << 20,
    ERRORS_MAX = 1024, STATUSES_MAX = 256, HELD_MAX = 320,
    BUFFERS = 256,                   /* of the product: which makes room for another is open */
    BUFFER_LIFETIME_MS = 5000,
    INPUTS_MAX = 256,
    /* A connection drops PACKET_INs when more than 128 KiB wait. */
    PACKET_INS_AT_A_TIME = 60000,
};

/* A frame that is to leave by 'port', or (P_CONTROLLER) a PACKET_IN. */
struct sent {
    bool found;                      /* the product sent it */
    uint16_t port, in_port;
    uint8_t reason, queue;
    uint32_t prefix, size;
    const uint8_t *data;
    unsigned origin;                 /* the input that led to it */
};

/* What came in: a frame, or a message. */
struct input {
    uint16_t in_port;                /* 0: a message */
    uint32_t size;
    const uint8_t *data;
    uint64_t flow;                   /* the same for frames whose order counts */
};

struct expected_error {
    uint32_t xid;
    struct ref_error error;
    uint16_t size;
    uint8_t head[64];
};

struct expected_status {
    uint8_t reason;
    uint16_t port;
    uint32_t config, state;
};

/* A packet that the product has, or had, in a buffer. */
struct held {
    uint32_t id;
    uint16_t in_port;
    bool gone;                       /* for sure */
    bool vague;                      /* it may have had to make room */
    uint64_t since_ms;
    struct ref_frame frame;
};

struct trial {
    const struct trial_config *config;
    struct sut_config sut_config;
    struct sut *sut;
    struct ref_switch *ref;
    struct ref_output *out;
    struct shape shape;
    struct gen g;
    const struct hardware *hardware; /* NULL: none */
    uint64_t now_ms;
    uint64_t settled_ms;             /* when this settling began */
    unsigned step;
    bool async;                      /* the peer is told of what it did not ask for */
    bool tidy;                       /* flows of one rank don't overlap */
    bool masked;                     /* flows come in Nicira's dialect, too */
    unsigned target_flows;
    uint16_t fragment_flags;         /* GET_CONFIG's */
    uint32_t xid;
    unsigned n_mods;                 /* for plants */
    uint8_t late[MESSAGE_MAX];
    size_t late_size;

    uint8_t messages[MESSAGES_MAX];  /* to be sent */
    size_t messages_size;

    struct input input[INPUTS_MAX];
    unsigned n_inputs;
    struct sent sent[SENT_MAX];
    unsigned n_sent, n_compared;     /* frames before that are compared */
    uint32_t n_packet_ins, packet_in_bytes;
    bool crowded;                    /* they, or those held, may not all be in buffers */
    struct expected_error error[ERRORS_MAX];
    unsigned n_errors;
    struct expected_status status[STATUSES_MAX];
    unsigned n_statuses;
    struct held held[HELD_MAX];
    unsigned n_held, next_held;
    uint8_t arena[ARENA_SIZE];
    size_t arena_size;

    bool failed;
    char failure[8192];
};

/* Runs a trial. True if both sides agreed; else *step is where they did not, and 'failure'
 * (of 'size' bytes) says how. */
bool trial_run(const struct trial_config *, unsigned *step, char *failure, size_t size);

/* --- for the trial's own files --------------------------------------------------------- */

static inline uint64_t
wire_get(const uint8_t *p, int n)
{
    uint64_t value = 0;
    for (int i = 0; i < n; i++) {
        value = value << 8 | p[i];
    }
    return value;
}

static inline void
wire_put(uint8_t *p, int n, uint64_t value)
{
    while (n--) {
        p[n] = (uint8_t) value;
        value >>= 8;
    }
}

/* Records the first failure. Returns false. */
bool trial_fail(struct trial *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Adds to its words. */
void trial_explain(struct trial *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void trial_explain_bytes(struct trial *, const char *what, const uint8_t *, size_t);
/* Adds an input and its fields or text, and the flows that a frame matches. */
void trial_explain_input(struct trial *, unsigned origin);
void trial_verbose_message(const struct trial *, const char *what, const uint8_t *, size_t);

/* The input that comes next; its number. */
unsigned trial_add_input(struct trial *, uint16_t in_port, const uint8_t *, size_t);
/* What the naive switch sent, in trial->out, is expected of the product. */
void trial_expect_output(struct trial *, unsigned origin);
void trial_expect_error(struct trial *, const uint8_t *msg, size_t size, struct ref_error);
void trial_expect_status(struct trial *, uint8_t reason, const struct ref_port *);

/* Gives the message the next xid and, unless a planted bug changes it, adds it to what is
 * sent at the next settling. Returns the input's number. */
unsigned trial_add_message(struct trial *, uint8_t *msg, size_t size);
/* Sends what there is, waits until all is done, and compares all that came. */
bool trial_settle(struct trial *);
/* Compares the frames that left. */
bool trial_compare_frames(struct trial *);
/* Looks at one message that is no answer to a question. */
bool trial_take_message(struct trial *, const uint8_t *msg, size_t size);
/* Nothing that was expected is missing; forgets it all. */
bool trial_compare_end(struct trial *);

/* Steps. */
bool trial_frames(struct trial *);
/* Cables carry no runts: makes the frame as long as it has to be; its size. */
uint32_t trial_pad(const struct trial *, uint8_t *frame, uint32_t size);
bool trial_warm(struct trial *);        /* the whole universe comes in */
bool trial_messages(struct trial *);
bool trial_time(struct trial *);
bool trial_question(struct trial *);
/* Asks for FEATURES; false if the answer is wrong. */
bool trial_ask_features(struct trial *);
bool trial_ports(struct trial *);
bool trial_mend_ports(struct trial *);  /* most links come up, most ports to forward */
bool trial_queues(struct trial *);
bool trial_compare_all(struct trial *); /* every statistic */
bool trial_fault(struct trial *);       /* the device misbehaves, and all is still right */

/* The frame's flow is busy; what the device counted until now is credited; its ports' flows may
 * be in it. Of no effect without one. */
void trial_offer(struct trial *, const struct input *);
void trial_refresh(struct trial *);
/* The same, and time passes until the device shows all that it has counted. */
void trial_show_counters(struct trial *);
/* So much time passes. */
void trial_pass(struct trial *, uint64_t ms);
/* The product's time went on by itself, while a device was slow: so does the naive switch's.
 * True if it was so. */
bool trial_catch_up(struct trial *);

/* A random FLOW_MOD on both sides; 'n' that no frame has to do with, which come and go. */
void trial_flow_mod(struct trial *);
void trial_far_flow_mods(struct trial *, unsigned n);
/* A packet of which it is certain that it is in a buffer, or that it was; NULL if there is none. */
struct held *trial_pick_held(struct trial *);
/* One more packet is expected to get into a buffer. When there are too many for all of them,
 * it is open which ones are left. */
void trial_crowd(struct trial *);

/* What a wire match says in nx_match; with 'thin' under random masks. */
void trial_nxm_match(struct trial *, const uint8_t wire[40], bool thin, struct ref_match *);
/* Leaves some of the last entries out. */
void trial_nxm_widen(struct trial *, struct ref_match *);
/* Asks for flows by cookie, as well. */
void trial_nxm_cookie(struct trial *, struct ref_match *);
/* Makes a FLOW_MOD, whose match is not looked at, an NXT_FLOW_MOD with this match; its size. */
size_t trial_nxm_flow_mod(uint8_t *msg, size_t size, const struct ref_match *);

/* A flow in a reply of either dialect. 1.0 has no ages. */
struct told {
    size_t size;
    uint8_t table;
    struct ref_match match;
    uint64_t duration_ms, idle_age, hard_age;
    uint16_t priority, idle, hard;
    uint64_t cookie, packets, bytes;
    const uint8_t *actions;
    size_t actions_size;
};
/* Reads the next of 'left' bytes; false if it is not one. */
bool told_read(const uint8_t *, size_t left, bool nxm, struct told *);
/* True if it is this flow, but for its table and actions. */
bool told_is(const struct trial *, const struct told *, const struct ref_flow *);

/* Changes a message as the planted bug does; its new size, 0: not sent. */
size_t plant_message(struct trial *, uint8_t *msg, size_t size);
void plant_frame(const struct trial *, uint8_t *frame, uint32_t size);
void plant_reply(const struct trial *, uint8_t *msg, size_t size);
/* What was held back is sent. */
void plant_release(struct trial *);

#endif /* tests/property/trial.h */

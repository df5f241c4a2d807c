/* SPDX-License-Identifier: Apache-2.0 */
/* Mask profiles: which bits of a packet's key decide what rule it gets.
 *
 * For each class of traffic there is the union of the masks of rules that any port's
 * packets of the class can reach, and for each (port, class) a *contribution*: the
 * union over the rules that name that port. A profile is the two together with the
 * bits that are always in. Contributions and profiles are few distinct masks however
 * many ports and rules there are: both are interned, and when either runs out the full
 * mask serves, which is always right.
 *
 * A *group* is a class and a contribution; it has the list of its profile's
 * generations. A reader gets from a key to its list by three loads: the port's
 * contributions (a byte a class), the group, the list.
 *
 * Order, which correctness rests on: a profile widens before the rule that needs it is
 * published, and narrows after the version that numbers the rule's removal is. */
#ifndef SW_DATAPATH_PROFILE_H
#define SW_DATAPATH_PROFILE_H 1

#include <netinet/in.h>

#include "sw-datapath/classifier.h"
#include "sw-datapath/classifier_counts.h"

enum traffic_class {
    TRAFFIC_TCP, TRAFFIC_UDP, TRAFFIC_ICMP, TRAFFIC_IPV4, TRAFFIC_ARP, TRAFFIC_OTHER,
    N_TRAFFIC_CLASSES
};

enum {
    PROFILE_MAX_CONTRIBUTIONS = 32,
    PROFILE_MAX_SOURCES = 4096,
    /* Contributions that are always there: of ports that no rule names, and of those
     * for which the others ran out. */
    PROFILE_NO_CONTRIBUTION = 0,
    PROFILE_FULL_CONTRIBUTION = 1,
};

struct port_page {
    _Atomic uint64_t contributions[256];    /* byte c: of class c */
};

/* What the writer knows about a group. Readers may still come by a group that no port
 * is in any more, so it keeps its list until a grace period has passed. */
struct profile_group {
    uint32_t refs;                          /* ports */
    uint64_t retired;                       /* epoch when refs became 0; 0: not stale */
};

struct profile_set {
    _Atomic(struct port_page *) page[256];
    _Atomic(const struct profile_list *) group[N_TRAFFIC_CLASSES][PROFILE_MAX_CONTRIBUTIONS];
    _Atomic(struct mask_profile *) profile[CLASSIFIER_MAX_PROFILES];

    /* Writer only from here. */
    uint32_t refs[CLASSIFIER_MAX_PROFILES];      /* by lists */
    uint64_t retired[CLASSIFIER_MAX_PROFILES];   /* epoch */
    uint64_t serial;
    struct profile_list full;                    /* the full profile alone */
    struct port_page no_ports;                   /* the page of ports that no rule names */
    struct flow_mask contribution[PROFILE_MAX_CONTRIBUTIONS];
    struct profile_group state[N_TRAFFIC_CLASSES][PROFILE_MAX_CONTRIBUTIONS];
    struct flow_mask global[N_TRAFFIC_CLASSES];
    struct flow_mask forced[N_TRAFFIC_CLASSES];  /* never taken back: no memory for a page */
    const struct flow_mask *source[PROFILE_MAX_SOURCES];
    unsigned n_sources;                          /* no source at or above this index */
    struct counts counts;                        /* rules by (source, port, class) */
};

/* 0 or -ENOMEM. Control thread, as everything that is not said to be for readers. */
int profile_set_init(struct profile_set *);
void profile_set_fini(struct profile_set *);

/* A source is a subtable: rules of one mask, which must stay where it is. 'id' is
 * below PROFILE_MAX_SOURCES. A source goes when it has no rules. */
void profile_add_source(struct profile_set *, unsigned id, const struct flow_mask *);
void profile_remove_source(struct profile_set *, unsigned id);

/* Makes sure that the next profile_add_rule() can't fail. 0 or -ENOMEM. */
int profile_reserve(struct profile_set *);
/* Call before the rule is published; and after its removal's version is. */
void profile_add_rule(struct profile_set *, unsigned source, const struct flow_match *);
void profile_remove_rule(struct profile_set *, unsigned source, const struct flow_match *);

/* The class that a packet is in. */
static inline enum traffic_class
traffic_class_of(const struct flow_key *key)
{
    if (key->dl_type.raw == htobe16(0x0800)) {
        enum traffic_class c = TRAFFIC_IPV4;
        c = key->nw_proto == IPPROTO_TCP ? TRAFFIC_TCP : c;
        c = key->nw_proto == IPPROTO_UDP ? TRAFFIC_UDP : c;
        return key->nw_proto == IPPROTO_ICMP ? TRAFFIC_ICMP : c;
    }
    return key->dl_type.raw == htobe16(0x0806) ? TRAFFIC_ARP : TRAFFIC_OTHER;
}

/* The classes that packets of 'match' can be in: 1 << enum traffic_class. Pure. */
unsigned profile_classes_of(const struct flow_match *match);

/* As classifier_profiles(). Readers. */
static inline const struct profile_list *
profile_set_list(const struct profile_set *set, const struct flow_key *key)
{
    enum traffic_class c = traffic_class_of(key);
    const struct port_page *page = atomic_load_explicit(&set->page[key->in_port >> 8],
                                                        memory_order_acquire);
    uint64_t bytes = atomic_load_explicit(&page->contributions[key->in_port & 0xff],
                                          memory_order_acquire);
    return atomic_load_explicit(&set->group[c][bytes >> (8 * c) & 0xff], memory_order_acquire);
}

#endif /* sw-datapath/profile.h */

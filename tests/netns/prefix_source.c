/* SPDX-License-Identifier: Apache-2.0 */
/* A program that uses the HAL without the daemon, as another system would: its entries match
 * prefixes, which turnoutd's never do. Prints why the device of the driver that is named takes
 * one or not. */
#include <stdio.h>
#include <string.h>

#include "hal/hal.h"
#include "hal/text.h"

static bool
derive(void *drop, const struct flow_key *key, struct hal_derivation *d)
{
    memset(&d->match.mask, 0, sizeof d->match.mask);
    d->match.mask.bits.in_port = 0xffff;
    memcpy(&d->match.mask.bits.nw_dst, "\377\0\0\0", 4);
    flow_key_mask(key, &d->match.mask, &d->match.value);
    d->actions = drop;
    d->owner = drop;
    d->exact_rule = true;
    return true;
}

static void
credit(void *aux, void *owner, uint64_t packets, uint64_t bytes, uint64_t used_ms)
{
    (void) aux;
    (void) owner;
    (void) packets;
    (void) bytes;
    (void) used_ms;
}

int
main(int argc, char *argv[])
{
    static const struct hal_source source = { .derive = derive, .credit = credit };
    static struct action_list drop;
    char error[HAL_ERROR_SIZE] = "wrong arguments";
    struct hal *hal = hal_new(&(struct hal_config) { .stepped = true });
    struct hal_device *device;
    struct flow_key key;
    struct hal_verdict verdict;
    if (argc != 3 || !hal || hal_load_driver(hal, argv[1], error)
        || hal_device_open(hal, argv[2], &device, error)
        || hal_key_from_text("in_port=1,ip,nw_dst=10.0.0.2", &key, error)) {
        fprintf(stderr, "prefix_source: %s\n", error);
        return 1;
    }
    struct hal_bridge *bridge = hal_bridge_new(hal, "mine", &source, &drop);
    struct hal_port port = { .no = 1, .name = "p1" };
    if (!bridge || hal_port_add(bridge, device, &port, error)) {
        fprintf(stderr, "prefix_source: %s\n", error);
        return 1;
    }
    hal_offer(bridge, &key, 0, &verdict);
    const char *field = hal_field_name(verdict.field);
    printf("reason: %s: field %s (%s/%s)\n", hal_reason_name(verdict.reason), field ? field : "-",
           hal_device_driver(device), hal_device_caps(device)->table[verdict.table].name);
    hal_bridge_free(bridge);
    hal_free(hal, false);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/port_reason.h"

#include <stdarg.h>
#include <stdio.h>

#include "mgmt/port_flags.h"

static void __attribute__((format(printf, 2, 3)))
add(struct strbuf *out, const char *format, ...)
{
    char text[200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    strbuf_printf(out, "%s%s", out->len ? "; " : "", text);
}

static void
add_device(const struct port_info *info, const struct dp_port_device *device, struct strbuf *out)
{
    if (device->problem[0]) {
        add(out, "the device can't be used: %s", device->problem);
    } else if (!device->present) {
        add(out, "the device does not exist");
    } else if (!device->up && !(info->config & PORT_CONFIG_DOWN)) {
        add(out, "the device is down: 'ip link set %s up', or tell the port: down=no", info->name);
    } else if (!device->carrier && device->up) {
        add(out, "no carrier");
    }
    if (device->master[0]) {
        add(out, "the device is a slave of %s, too", device->master);
    }
}

static void
add_config(uint32_t config, struct strbuf *out)
{
    static const struct {
        uint32_t bit;
        const char *text;
    } rows[] = {
        { PORT_CONFIG_DOWN, "configured down" },
        { PORT_CONFIG_NO_FWD, "configured no-forward: nothing is sent" },
        { PORT_CONFIG_NO_RECV,
          "configured no-receive: nothing but spanning tree frames is taken" },
        { PORT_CONFIG_NO_RECV_STP, "configured no-receive-stp: no spanning tree frame is taken" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (config & rows[i].bit) {
            add(out, "%s", rows[i].text);
        }
    }
}

void
port_reason(const struct dp_bridge *bridge, const struct port_info *info, struct strbuf *out)
{
    struct dp_port_device device;
    if (dp_port_get_device(bridge, info->port_no, &device)) {
        add_device(info, &device, out);
    }
    add_config(info->config, out);
    enum port_stp_state stp = (info->state & PORT_STATE_STP_MASK) >> PORT_STATE_STP_SHIFT;
    if (dp_bridge_has_stp(bridge) && stp != PORT_STP_FORWARD) {
        add(out, "spanning tree state %s: neither flooded to nor used by NORMAL",
            port_stp_state_name(stp));
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/flow_mods.h"

#include <string.h>

/* Of a FLOW_MOD: the header, then nw_src in the match. */
enum { NW_SRC_OFFSET = 36 };

void
flow_mod_begin(struct ofp_flow_mod *fm, uint16_t command, uint16_t in_port, uint16_t priority)
{
    memset(fm, 0, sizeof *fm);
    struct flow_key *value = &fm->match.match.value, *mask = &fm->match.match.mask.bits;
    value->in_port = in_port;
    value->dl_type = be16_from_host(0x0800);
    value->nw_proto = 17;
    mask->in_port = mask->dl_type.raw = 0xffff;
    mask->nw_proto = 0xff;
    fm->command = command;
    fm->priority = priority;
    fm->out_port = PORT_NONE;
    fm->buffer_id = OFP_NO_BUFFER;
    fm->n_actions = command != OFPFC_DELETE && command != OFPFC_DELETE_STRICT;
    fm->actions[0].type = ACTION_OUTPUT;
    fm->actions[0].output.port = 2;
}

void
flow_mod_encode(struct flow_mod *mod, const struct ofp_flow_mod *fm)
{
    struct writer w;
    writer_init(&w);
    ofp_encode_flow_mod(&w, 0, fm);
    memcpy(mod->bytes, w.data, w.size);
    mod->size = w.size;
    writer_fini(&w);
}

void
flow_mod_set_nw_src(uint8_t *message, uint32_t nw_src)
{
    struct be32 src = be32_from_host(nw_src);
    memcpy(message + NW_SRC_OFFSET, &src, sizeof src);
}

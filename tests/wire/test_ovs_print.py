#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every message that our encoders make, read by ovs-ofctl and by ourselves: both must see
the same in it. ovs-ofctl decodes without any code of ours, so a field that encoder and
decoder put in the same wrong place shows."""
import collections
import re
import subprocess
import tempfile

import codec

CONFIG = ['PORT_DOWN', 'NO_STP', 'NO_RECV', 'NO_RECV_STP', 'NO_FLOOD', 'NO_FWD', 'NO_PACKET_IN']
FEATURES = ['10MB-HD', '10MB-FD', '100MB-HD', '100MB-FD', '1GB-HD', '1GB-FD', '10GB-FD',
            'COPPER', 'FIBER', 'AUTO_NEG', 'AUTO_PAUSE', 'AUTO_PAUSE_ASYM']
STP = ['STP_LISTEN', 'STP_LEARN', 'STP_FORWARD', 'STP_BLOCK']
CAPABILITIES = ['FLOW_STATS', 'TABLE_STATS', 'PORT_STATS', 'STP', None, 'IP_REASM',
                'QUEUE_STATS', 'ARP_MATCH_IP']
ACTIONS = ['output', 'set_vlan_vid', 'set_vlan_pcp', 'strip_vlan', 'mod_dl_src', 'mod_dl_dst',
           'mod_nw_src', 'mod_nw_dst', 'mod_nw_tos', 'mod_tp_src', 'mod_tp_dst', 'enqueue']
COMMANDS = {'MOD': 'MODIFY', 'MOD_STRICT': 'MODIFY_STRICT', 'DEL': 'DELETE',
            'DEL_STRICT': 'DELETE_STRICT'}
MARK = 0xfeed0000


def read_with_ovs(messages):
    """The text that ovs-ofctl prints for each; echo replies between them mark the borders."""
    with tempfile.NamedTemporaryFile() as file:
        for i, message in enumerate(messages):
            file.write(message + bytes.fromhex('01030008') + (MARK + i).to_bytes(4, 'big'))
        file.flush()
        text = subprocess.check_output(['ovs-ofctl', '-voff', 'ofp-parse', file.name], text=True)
    parts = re.split(r'OFPT_ECHO_REPLY \(xid=0xfeed[0-9a-f]{4}\): 0 bytes of payload\n', text)
    assert len(parts) == len(messages) + 1 and not parts[-1], len(parts)
    return parts[:-1]


def names(bits, table):
    return {name for i, name in enumerate(table) if bits >> i & 1}


def match(text):
    """A match as a dictionary; a shorthand has no value."""
    fields = {}
    for field in filter(None, text.split(',')):
        key, _, value = field.partition('=')
        fields[key] = value
    fields.pop('any', None)
    return fields


def same_match(ours, theirs, exact):
    """In a match without wildcards they also print the fields that don't count, as zeros."""
    if exact:
        zeros = ('0', '0.0.0.0', '0x0000')
        theirs = {k: v for k, v in theirs.items() if k in ours or v not in zeros}
    return ours == theirs


def tokens(text):
    """'key=value', 'key:value' and 'key12' (FLOW_REMOVED) as a dictionary."""
    out = {}
    for token in text.replace(', ', ' ').split():
        found = (re.match(r'(duration|idle|pkts|bytes)([\d.]+s?)$', token)
                 or re.match(r'([a-z_]+)[=:](.*)$', token))
        if found:
            out[found[1]] = found[2]
        else:
            out[token] = True
    return out


def flow(text):
    """(match, the rest) of a line with a flow in it, whoever wrote it."""
    exact = ' (no wildcards)' in text
    text = text.replace(' (no wildcards)', '')
    text = re.sub(r'priority=(\d+) (?!\w+:|cookie|reason|duration|idle|hard|out_port|actions)(\S+)',
                  r'priority=\1,\2', text)
    priority, found = 32768, ''
    where = re.search(r'priority=(\d+),?(\S*)', text)
    if where:
        priority, found = int(where[1]), where[2]
        text = text.replace(where[0], '')
    rest = tokens(text)
    rest['priority'] = priority
    return match(found), rest, exact


RENAMED = {'buf': 'buffer', 'pkts': 'packets', 'n_packets': 'packets', 'n_bytes': 'bytes',
           'idle_timeout': 'idle', 'hard_timeout': 'hard'}


def tidy(rest):
    """Numbers as numbers, under one set of names; what is zero is left out."""
    out = {}
    for key, value in rest.items():
        key = RENAMED.get(key, key)
        if key == 'duration':
            seconds, _, rest_of = value.rstrip('s').partition('.')
            value = int(seconds) * 10**9 + int((rest_of + '000000000')[:9])
        elif key not in ('actions', 'out_port', 'reason') and value is not True:
            value = int(str(value), 0)
        if value not in (0, 'ANY', 'drop') and key not in ('flags', 'table'):
            out[key] = value
    return out


def same_flow(ours, theirs):
    our_match, our_rest, exact = flow(ours)
    their_match, their_rest, _ = flow(theirs)
    if exact and 'n_packets' not in their_rest and 'reason' not in their_rest:
        our_rest['priority'] = 65535  # as they say that such a flow outranks all others
    return same_match(our_match, their_match, exact) and tidy(our_rest) == tidy(their_rest)


def compare_flow_mod(ours, theirs):
    our_command, _, ours = ours.partition(' ')
    their_command, _, theirs = theirs.partition(' ')
    return our_command == COMMANDS.get(their_command, their_command) and same_flow(ours, theirs)


def compare_flow_stats(ours, theirs):
    ours = re.findall(r'\[([^]]*)\]', ours)
    theirs = theirs.splitlines()
    return len(ours) == len(theirs) > 0 and all(map(same_flow, ours, theirs))


def compare_flow_request(ours, theirs):
    exact = '(no wildcards)' in ours
    return same_match(match(ours.split()[2]), match(theirs.strip()), exact)


PORT = (r'\[(\S+) "([^"]*)" (\S+) config=0x(\w+) state=0x(\w+) curr=0x(\w+) adv=0x(\w+)'
        r' supp=0x(\w+) peer=0x(\w+)\]')


def our_ports(text):
    ports = {}
    for number, name, address, *bits in re.findall(PORT, text):
        config, state, *features = (int(x, 16) for x in bits)
        ports[number] = [name, address, names(config, CONFIG), state & 1, STP[state >> 8 & 3]]
        ports[number] += [names(x, FEATURES) for x in features]
    return ports


def their_ports(text):
    ports = {}
    for part in re.split(r'^ (?=\d+\()', text, flags=re.M)[1:]:
        number, name, address = re.match(r'(\d+)\(([^)]*)\): addr:(\S+)', part).groups()
        lines = dict(re.findall(r'^ +(\w+): +(.*)$', part, flags=re.M))
        lists = {k: set(v.split()) - {'0'} for k, v in lines.items()}
        stp = [x for x in STP if x in lines['state']] or ['STP_LISTEN']
        ports[number] = [name, address, lists['config'], int('LINK_DOWN' in lines['state']), stp[0]]
        ports[number] += [lists[k] for k in ('current', 'advertised', 'supported', 'peer')]
    return ports


def compare_features(ours, theirs):
    head = tokens(ours.split('[')[0])
    their_head = tokens(theirs.split('\n')[0].replace('dpid:', 'dpid=')
                        + ' ' + theirs.split('\n')[1])
    lists = dict(re.findall(r'^(capabilities|actions): (.*)$', theirs, flags=re.M))
    return (head['dpid'] == their_head['dpid'] and head['tables'] == their_head['n_tables']
            and head['buffers'] == their_head['n_buffers']
            and names(int(head['capabilities'], 0), CAPABILITIES)
            == set(lists['capabilities'].split())
            and names(int(head['actions'], 0), ACTIONS) == set(lists['actions'].split())
            and our_ports(ours) == their_ports(theirs) != {})


def compare_port_status(ours, theirs):
    reason = {'ADD': 'add', 'DEL': 'delete', 'MOD': 'modify'}[theirs.split(':')[0].strip()]
    return (ours.startswith(reason + ' ')
            and our_ports(ours) == their_ports(theirs.split(':', 1)[1]) != {})


def compare_port_mod(ours, theirs):
    o = tokens(ours)
    port, address = re.search(r'port: (\S+): addr:(\S+)', theirs).groups()
    lines = dict(re.findall(r'^ +(\w+): +(.*)$', theirs, flags=re.M))
    return (o['port'] == port and o['hw_addr'] == address
            and names(int(o['config'], 0), CONFIG) == set(lists_of(lines['config']))
            and names(int(o['mask'], 0), CONFIG) == set(lists_of(lines['mask']))
            and (o['advertise'] == '0x0') == (lines['advertise'] == 'UNCHANGED'))


def lists_of(text):
    return [x for x in text.split() if x != '0']


def compare_packet_out(ours, theirs):
    o, t = tokens(ours.split(' data=')[0]), tokens(theirs.split('\n')[0])
    size = re.search(r'data=(\d+) bytes', ours)
    port = {'NONE': 'ANY'}.get(o['in_port'], o['in_port'])
    return (port == t['in_port'] and o['actions'] == t['actions']
            and int(o.get('buffer', '0'), 0) == int(t.get('buffer', '0'), 0)
            and (size[1] if size else None) == t.get('data_len')
            and (not size or compare_frame(ours, theirs)))


def compare_frame(ours, theirs):
    source, target = re.search(r'\((\S+) > (\S+) type', ours).groups()
    return f'dl_src={source},dl_dst={target}' in theirs


def compare_packet_in(ours, theirs):
    o, t = tokens(ours.split(' data=')[0]), tokens(theirs.split('\n')[0])
    return (o['in_port'] == t['in_port'] and o['total_len'] == t['total_len']
            and f'(via {o["reason"]})' in theirs
            and int(o['buffer'], 0) == int(t['buffer'], 0)
            and re.search(r'data=(\d+)', ours)[1] == t['data_len'] and compare_frame(ours, theirs))


def compare_error(ours, theirs):
    """They print the code and then the request."""
    code = re.match(r'(\w+)/(\w+)', ours)
    if code[1] == 'HELLO_FAILED':
        return theirs.splitlines() == ['OFPHFC_EPERM', 'only version 1 is spoken here']
    return theirs.splitlines()[0].split('_', 1)[1] == code[2] and 'OFPT_ECHO_REQUEST' in theirs


def compare_config(ours, theirs):
    o, t = tokens(ours), tokens(theirs)
    return (o['fragments'] == t['frags'] and o['miss_send_len'] == t['miss_send_len']
            and ('invalid_ttl' in o) == ('invalid_ttl_to_controller' in t))


def compare_desc(ours, theirs):
    return re.findall(r'"([^"]*)"', ours) == [line.split(': ')[1] for line in theirs.splitlines()]


def compare_aggregate(ours, theirs):
    return re.findall(r'=(\d+)', ours) == re.findall(r'=(\d+)', theirs)


def compare_tables(ours, theirs):
    o = re.findall(r'\[(\d+) "(\w+)" wildcards=0x3fffff max=(\d+) active=(\d+) lookups=(\d+)'
                   r' matched=(\d+)\]', ours)
    t = re.findall(r'table (\d+) \("(\w+)"\):\s+active=(\d+), lookup=(\d+), matched=(\d+)\s+'
                   r'max_entries=(\d+)', theirs)
    return [(x[0], x[1], x[3], x[4], x[5], x[2]) for x in o] == t != []


def compare_ports(ours, theirs):
    numbers = re.findall(r'=(\d+|\?)', ours)
    return (numbers == re.findall(r'=(\d+|\?)', theirs) and len(numbers) == 24
            and re.findall(r'\[(\w+) ', ours) == re.findall(r'port +(\w+):', theirs))


def compare_queues(ours, theirs):
    return (re.findall(r'\[(\w+) queue (\w+) bytes=(\S+) packets=(\S+) errors=(\S+)\]', ours)
            == re.findall(r'port (\w+) queue (\w+): bytes=(\S+), pkts=(\S+), errors=([^ ,]+)',
                          theirs) != [])


def compare_queue_config(ours, theirs):
    o = re.findall(r'\[queue (\d+)(?: min_rate=(\d+))?\]', ours)
    t = re.findall(r'queue (\d+):(?: min_rate:([\d.]+)%)?', theirs)
    t = [(queue, str(round(float(rate) * 10)) if rate else '') for queue, rate in t]
    return o == t and (not o or 'port=2' in theirs and 'port=2' in ours)


def compare_port_number(ours, theirs):
    port = re.search(r'port=(\w+)', ours)[1]
    queue = re.search(r'queue=(\w+)', ours)
    return (re.search(r'port(?:_no)?=(\w+)', theirs)[1] == {'NONE': 'ANY', 'ALL': 'ANY'}.get(port, port)
            and (not queue or ('queue=ALL' in theirs and queue[1] == str(2**32 - 1))))


def compare_size(ours, theirs):
    return re.findall(r'(\d+) bytes', ours) == [x for x in re.findall(r'(\d+) bytes', theirs)
                                                if x != '0']


def compare_hello(ours, theirs):
    return ours.startswith('version=0x01') == theirs.endswith('0x01') and '0x01' in theirs


def compare_role(ours, theirs):
    theirs = {'primary': 'master', 'secondary': 'slave', 'equal': 'other'}.get(theirs[5:], theirs[5:])
    return ours.split()[-1] == 'role=' + theirs


REASONS = {'PACKET_IN': 'packet_in', 'PORT_STATUS': 'port_status', 'FLOW_REMOVED': 'flow_removed'}


def compare_async(ours, theirs):
    """They have all kinds of all versions; those that 1.0 does not have are off."""
    o = [dict(re.findall(r'(\w+)=(\S+)', half)) for half in ours.split('slave:')]
    t = []
    for half in re.split(r'(?:secondary|slave):', theirs):
        kinds = dict(re.findall(r'^ +([A-Z_]+): +(.*)$', half, flags=re.M))
        t.append({REASONS[kind]: 'none' if words == '(off)' else ','.join(words.split())
                  for kind, words in kinds.items() if kind in REASONS})
    return o == t and len(o) == 2 and all(len(half) == 3 for half in o)


def strip_name(text):
    """Ours without Nicira's name of the message, and without what 1.0 alone can say."""
    return text.partition(' ')[2].replace(' (no wildcards)', '')


def compare_format(ours, theirs):
    return ours.split('=')[1] == {'nxt_packet_in': 'nxm', 'nxm': 'nxm'}.get(
        theirs.split('=')[1], 'openflow10')


def compare_table_id(ours, theirs):
    return ours.split()[-1] == {'enable': 'on', 'disable': 'off'}[theirs.strip()]


def cookies(ours, theirs):
    """Both texts without the cookies asked for, if those are the same."""
    mine = re.search(r' only_cookie=0x(\w+)/0x(\w+)', ours)
    other = re.search(r',?cookie[:=]0x(\w+)/0x(\w+)', theirs)
    if (mine and mine.groups()) != (other and other.groups()):
        raise ValueError('cookies')
    return (ours.replace(mine[0], ''), theirs.replace(other[0], '')) if mine else (ours, theirs)


def compare_nx_flow_mod(ours, theirs):
    return compare_flow_mod(*cookies(strip_name(ours), theirs))


def compare_nx_flow_removed(ours, theirs):
    return same_flow(strip_name(ours), theirs)


def compare_nx_packet_in(ours, theirs):
    return 'cookie=0x1234' in ours and 'cookie=0x1234' in theirs and compare_packet_in(
        strip_name(ours), theirs)


def compare_nx_flow_request(ours, theirs):
    """They don't print the cookies asked for."""
    table, fields, *rest = strip_name(ours).split()
    port = [word for word in rest if word.startswith('out_port')]
    head = re.match(r'(table=\d+ ?)?(out_port=\d+ ?)?', theirs)
    return (table == (head[1] or 'table=255').strip() and port == (head[2] or '').split()
            and match(fields) == match(theirs[head.end():].strip()))


def compare_id(ours, theirs):
    return re.search(r' id=(\d+)$', ours)[1] == re.search(r'id=(\d+)$', theirs)[1]


def compare_nothing(ours, theirs):
    return not ours and not theirs


# By the name of the sample without its number: their name for it, how its contents compare.
KINDS = {
    'hello': ('OFPT_HELLO', compare_hello),
    'hello-bitmap': ('OFPT_HELLO', compare_hello),
    'echo-request': ('OFPT_ECHO_REQUEST', compare_size),
    'echo-reply': ('OFPT_ECHO_REPLY', compare_size),
    'nx-role-request': ('NXT_ROLE_REQUEST', compare_role),
    'nx-role-reply': ('NXT_ROLE_REPLY', compare_role),
    'nx-async-config': ('NXT_SET_ASYNC_CONFIG', compare_async),
    'nx-controller-id': ('NXT_SET_CONTROLLER_ID', compare_id),
    'nx-flow-format': ('NXT_SET_FLOW_FORMAT', compare_format),
    'nx-packet-in-format': ('NXT_SET_PACKET_IN_FORMAT', compare_format),
    'nx-table-id': ('NXT_FLOW_MOD_TABLE_ID', compare_table_id),
    'nx-flow-age': ('NXT_FLOW_AGE', lambda o, t: o == 'NXT_FLOW_AGE' and not t),
    'nx-flow-mod': ('NXT_FLOW_MOD', compare_nx_flow_mod),
    'nx-flow-removed': ('NXT_FLOW_REMOVED', compare_nx_flow_removed),
    'nx-packet-in': ('NXT_PACKET_IN', compare_nx_packet_in),
    'nx-flow-request': ('NXST_FLOW request', compare_nx_flow_request),
    'nx-aggregate-request': ('NXST_AGGREGATE request', compare_nx_flow_request),
    'nx-flow-reply': ('NXST_FLOW reply', lambda o, t: compare_flow_stats(strip_name(o), t)),
    'nx-aggregate-reply': ('NXST_AGGREGATE reply', compare_aggregate),
    'nx-error': ('OFPT_ERROR', compare_error),
    'features-request': ('OFPT_FEATURES_REQUEST', compare_nothing),
    'get-config-request': ('OFPT_GET_CONFIG_REQUEST', compare_nothing),
    'barrier-request': ('OFPT_BARRIER_REQUEST', compare_nothing),
    'barrier-reply': ('OFPT_BARRIER_REPLY', compare_nothing),
    'get-config-reply': ('OFPT_GET_CONFIG_REPLY', compare_config),
    'set-config': ('OFPT_SET_CONFIG', compare_config),
    'error': ('OFPT_ERROR', compare_error),
    'features-reply': ('OFPT_FEATURES_REPLY', compare_features),
    'flow-mod': ('OFPT_FLOW_MOD', compare_flow_mod),
    'flow-mod-all-actions': ('OFPT_FLOW_MOD', compare_flow_mod),
    'packet-out': ('OFPT_PACKET_OUT', compare_packet_out),
    'packet-in': ('OFPT_PACKET_IN', compare_packet_in),
    'port-status': ('OFPT_PORT_STATUS', compare_port_status),
    'port-mod': ('OFPT_PORT_MOD', compare_port_mod),
    'flow-removed': ('OFPT_FLOW_REMOVED', same_flow),
    'desc-request': ('OFPST_DESC request', lambda o, t: o == 'DESC' and not t),
    'flow-request': ('OFPST_FLOW request', compare_flow_request),
    'aggregate-request': ('OFPST_AGGREGATE request', compare_flow_request),
    'table-request': ('OFPST_TABLE request', lambda o, t: o == 'TABLE' and not t),
    'port-request': ('OFPST_PORT request', compare_port_number),
    'queue-request': ('OFPST_QUEUE request', compare_port_number),
    'desc-reply': ('OFPST_DESC reply', compare_desc),
    'flow-reply': ('OFPST_FLOW reply', compare_flow_stats),
    'aggregate-reply': ('OFPST_AGGREGATE reply', compare_aggregate),
    'table-reply': ('OFPST_TABLE reply', compare_tables),
    'port-reply': ('OFPST_PORT reply', compare_ports),
    'queue-reply': ('OFPST_QUEUE reply', compare_queues),
    'queue-config-request': ('OFPT_QUEUE_GET_CONFIG_REQUEST', compare_port_number),
    'queue-config-reply-empty': ('OFPT_QUEUE_GET_CONFIG_REPLY', compare_queue_config),
    'queue-config-reply': ('OFPT_QUEUE_GET_CONFIG_REPLY', compare_queue_config),
}


def same(kind, ours, theirs):
    their_name, compare = KINDS[kind]
    mine = re.match(r'[A-Z_]+ xid=(0x\w+): ?(.*)$', ours, flags=re.S)
    other = re.match(r'([A-Z_]+(?: request| reply)?) (?:\(OF1.3\) )?\(xid=(0x\w+)\):[ \n]?(.*)$',
                     theirs.rstrip(), flags=re.S)
    if not mine or not other or 'malformed' in ours:
        return False
    try:
        return (other[1] == their_name and mine[1] == other[2]
                and bool(compare(mine[2], other[3])))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        print('#', kind, repr(error))
        return False


def main():
    codec.skip_unless('ovs-ofctl')
    tap = codec.Tap()
    seen, bad = collections.Counter(), collections.defaultdict(list)
    print(f'# TURNOUT_SEED={codec.SEED}')
    for seed in range(codec.SEED, codec.SEED + codec.ROUNDS):
        sample_names, messages = zip(*codec.samples(seed))
        ours, theirs = codec.describe(messages), read_with_ovs(messages)
        for name, o, t in zip(sample_names, ours, theirs):
            kind = re.sub(r'-\d+$', '', name)
            seen[kind] += 1
            if not same(kind, o, t):
                bad[kind].append(f'seed {seed} {name}\n  ours: {o}\n  ovs:  {t}')
    for kind in KINDS:
        tap.check(seen[kind] and not bad[kind], f'{kind}: {seen[kind]} read alike', *bad[kind][:3])
    tap.check(set(seen) == set(KINDS), 'every kind of sample is compared', set(seen) ^ set(KINDS))
    tap.done()


main()

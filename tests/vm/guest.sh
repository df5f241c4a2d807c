#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The second part of a virtual machine's start, on the host's root: runs the command of this run
# and leaves its status, and the kernel's warnings, where tests/vm/run finds them.
run=$(dirname "$0")
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
# shellcheck source=/dev/null
. "$run/environment"
# When the host is busy the kernel may mistake the TSC's frequency, and its time would run fast. It did
# not if it could refine it; else a slower clock that is right is used.
dmesg | grep -q 'Refined TSC clocksource' \
    || echo acpi_pm >/sys/devices/system/clocksource/clocksource0/current_clocksource
hostname vm
ip link set lo up
# There is no udev, and /dev/net/tun comes with its module.
modprobe -q tun
stty -F /dev/ttyS0 -opost
cd "$(cat "$run/cwd")" 2>/dev/null || cd /

# The kernel's own record of warnings (512), oopses (128), bad pages (32), lock-ups (16384).
TAINTS=$((32 + 128 + 512 + 16384))
SIGNS='WARNING:|BUG:|Oops|Call Trace|corruption|INFO: task .* blocked|detected stall|waiting for .* to become free'

kernel_complains()
{
    [ $(($(cat /proc/sys/kernel/tainted) & TAINTS)) != 0 ] || dmesg | grep -qE "$SIGNS"
}

if [ -f "$run/command" ]; then
    eval "$(cat "$run/command")" </dev/null 2>&1
    status=$?
else
    stty -F /dev/ttyS0 sane
    TERM=vt100 setsid -c bash -i </dev/ttyS0 >/dev/ttyS0 2>&1
    status=$?
fi
if kernel_complains; then
    echo "# the machine's kernel has warned:"
    dmesg | grep -E -A30 "$SIGNS" | head -n 80 | sed 's/^/# /'
    [ $status != 0 ] || status=1
fi
echo $status >"$run/status"

# All that was written is out of the serial port before the plug is pulled.
stty -F /dev/ttyS0 sane
printf '\001' | dd of=/dev/port bs=1 seek=244 2>/dev/null
echo b >/proc/sysrq-trigger

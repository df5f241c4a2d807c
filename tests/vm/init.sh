#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The first process of a virtual machine: mounts the host's root, read-only, with memory over
# it for what is written; and the share as /vm. Then guest.sh goes on.
export PATH=/bin
bb=/bin/busybox
version=trans=virtio,version=9p2000.L,msize=262144

stop()
{
    echo "tests/vm/init: $*"
    $bb poweroff -f
}

$bb mount -t devtmpfs dev /dev
$bb mount -t proc proc /proc
$bb mount -t sysfs sys /sys
while read -r module; do
    $bb insmod "/modules/$module" || stop "can't load $module"
done </modules/list

$bb mount -t 9p -o "ro,cache=loose,$version" root /ro || stop "can't mount the root"
$bb mount -t tmpfs -o size=75% tmpfs /rw
$bb mkdir -p /rw/upper /rw/work /rw/trees
$bb mount -t overlay -o lowerdir=/ro,upperdir=/rw/upper,workdir=/rw/work overlay /root \
    || stop "can't mount the overlay"
$bb mount --move /dev /root/dev
$bb mount --move /proc /root/proc
$bb mount --move /sys /root/sys
$bb mkdir -p /root/vm /root/dev/pts /root/dev/shm
$bb mount -t devpts devpts /root/dev/pts
$bb mount -t 9p -o "rw,cache=none,$version" share /root/vm || stop "can't mount /vm"
for folder in tmp run var/tmp dev/shm; do
    [ -h "/root/$folder" ] || $bb mount -t tmpfs -o mode=1777 tmpfs "/root/$folder"
done

# Trees that are below one of these folders are hidden now: each gets an overlay of its own.
run=$($bb sed -n 's/.*turnout\.run=\([^ ]*\).*/\1/p' /root/proc/cmdline)
n=0
while read -r folder; do
    if [ ! -e "/root$folder" ] && [ -d "/ro$folder" ]; then
        n=$((n + 1))
        $bb mkdir -p "/root$folder" /rw/trees/$n/upper /rw/trees/$n/work
        $bb mount -t overlay \
            -o "lowerdir=/ro$folder,upperdir=/rw/trees/$n/upper,workdir=/rw/trees/$n/work" \
            overlay "/root$folder" || stop "can't show $folder"
    fi
done <"/root/vm/$run/folders"
exec $bb switch_root /root /bin/sh "/vm/$run/guest.sh"

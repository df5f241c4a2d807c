# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What a virtual machine is booted from, for tests/vm/run. Everything is made once and kept in
# folders whose names have the kernel's version and a hash of what it was made from; two runs at
# a time wait for each other.

# prepare FOLDER ROCKER: sets kernel_image, initramfs, simnic_module, and with ROCKER=yes
# rocker_module. 1, with words, if something can't be made.
prepare()
{
    local folder=$1 with_rocker=$2 kernel version lock status=0
    kernel_image='' initramfs='' simnic_module='' rocker_module=''
    command -v qemu-system-x86_64 >/dev/null || { cannot "there is no qemu-system-x86_64"; return 1; }
    kernel=$(newest_kernel)
    [ -n "$kernel" ] || { cannot "no /boot/vmlinuz-*-amd64 with modules"; return 1; }
    version=${kernel##*/vmlinuz-}
    exec {lock}>"$folder/lock" || return 1
    flock "$lock"
    prepare_kernel "$folder" "$kernel" && prepare_initramfs "$folder" "$version" \
        && prepare_simnic "$folder" "$version" || status=1
    [ $status != 0 ] || [ "$with_rocker" = no ] || prepare_rocker "$folder" "$version" || status=1
    exec {lock}>&-
    return $status
}

cannot()
{
    echo "tests/vm/run: $*; ./packages vm installs what is needed" >&2
}

newest_kernel()
{
    local image
    for image in /boot/vmlinuz-*-amd64; do
        [ ! -d "/lib/modules/${image##*/vmlinuz-}/kernel" ] || echo "$image"
    done | sort -V | tail -n 1
}

# hash_of FILE...: 12 digits.
hash_of()
{
    cat "$@" | sha256sum | cut -c 1-12
}

# make_once TARGET LOG COMMAND...: runs COMMAND... TARGET.new unless TARGET is there. Older ones of
# the same kind go.
make_once()
{
    local target=$1 log=$2
    shift 2
    [ ! -e "$target" ] || return 0
    rm -rf "${target%.*}".*
    if ! "$@" "$target.new" >"$log" 2>&1 </dev/null; then
        tail -n 40 "$log" >&2
        cannot "can't make $target"
        return 1
    fi
    mv "$target.new" "$target"
}

# An ELF image spares the machine the unpacking. What can't be unpacked here is booted as it is.
prepare_kernel()
{
    kernel_image=$1/vmlinux-${2##*/vmlinuz-}.$(stat -c %s-%Y "$2")
    make_once "$kernel_image" "$1/kernel.log" unpack_kernel "$2"
}

unpack_kernel()
{
    /usr/bin/python3 "$here/unpack_kernel.py" "$1" "$2" || cp "$1" "$2"
}

prepare_initramfs()
{
    initramfs=$1/initramfs-$2.$(hash_of "$here/init.sh" "$here/prepare.sh")
    make_once "$initramfs" "$1/initramfs.log" make_initramfs "$2"
}

# make_initramfs VERSION FILE: busybox, init.sh and the modules that the root needs.
make_initramfs()
{
    local version=$1 work status module path
    work=$(mktemp -d) || return
    mkdir -p "$work"/{bin,dev,proc,sys,ro,rw,root,modules}
    cp /bin/busybox "$work/bin/busybox" && ln -s busybox "$work/bin/sh" || return
    install -m 755 "$here/init.sh" "$work/init" || return
    for module in virtio_pci 9pnet_virtio 9p overlay; do
        modprobe -S "$version" --show-depends "$module"
    done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$work/list"
    while read -r path; do
        cp "$path" "$work/modules/" && basename "$path" >>"$work/modules/list"
    done <"$work/list"
    (cd "$work" && find . | cpio -o -H newc --quiet | gzip -1) >"$2"
    status=$?
    rm -rf "$work"
    return $status
}

# simnic_module: built where its sources are copied to, so that this tree stays clean.
prepare_simnic()
{
    local folder
    folder=$1/simnic-$2.$(hash_of "$here"/simnic/*)
    simnic_module=$folder/simnic.ko
    make_once "$folder" "$1/simnic.log" build_module "$2" "$here/simnic"
}

# build_module VERSION SOURCES FOLDER
build_module()
{
    local headers=/lib/modules/$1/build
    [ -e "$headers/Makefile" ] || { echo "no headers of kernel $1"; return 1; }
    rm -rf "$3"
    mkdir -p "$3" && cp "$2"/* "$3/" || return
    env -u MAKEFLAGS -u MAKELEVEL -u CFLAGS -u CC make -s -C "$headers" "M=$3" modules "${@:4}"
}

# rocker_module: Debian doesn't build this driver, but has its sources.
prepare_rocker()
{
    local folder=$1/rocker-$2.1 major minor
    IFS=. read -r major minor _ <<<"$2"
    rocker_module=$folder/rocker.ko
    make_once "$folder" "$1/rocker.log" build_rocker "$2" "/usr/src/linux-source-$major.$minor.tar.xz"
}

# build_rocker VERSION ARCHIVE FOLDER
build_rocker()
{
    local path=drivers/net/ethernet/rocker status
    [ -f "$2" ] || { echo "no $2"; return 1; }
    rm -rf "$3.sources"
    mkdir -p "$3.sources" \
        && tar -xJf "$2" -C "$3.sources" --strip-components=5 --wildcards "*/$path/*" \
        && build_module "$1" "$3.sources" "$3" CONFIG_ROCKER=m
    status=$?
    rm -rf "$3.sources"
    return $status
}

# rocker_arguments: adds to arguments a Rocker switch of four ports, on each a hub with a virtio
# network device: the far end of that port's cable.
rocker_arguments()
{
    local port device=rocker,name=sw,fp_start_macaddr=02:52:4f:43:00:01
    for port in 0 1 2 3; do
        arguments+=(-netdev "hubport,id=near$port,hubid=$port"
            -netdev "hubport,id=far$port,hubid=$port"
            -device "virtio-net-pci,netdev=far$port,mac=02:52:4f:43:01:0$port,romfile=")
        device+=",ports[$port]=near$port"
    done
    arguments+=(-global rocker.len-ports=4 -device "$device")
}

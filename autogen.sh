#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes ./configure from a checkout.
set -e
cd "$(dirname "$0")"

need()
{
    command -v "$1" >/dev/null || {
        echo "autogen.sh: $1 not found; on Debian: apt-get install $2" >&2
        exit 1
    }
}
need autoreconf autoconf
need automake automake
need pkg-config pkg-config

mkdir -p build-aux
exec autoreconf -fi

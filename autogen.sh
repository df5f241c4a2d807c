#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes ./configure from a checkout.
set -e
cd "$(dirname "$0")"
mkdir -p build-aux
exec autoreconf -fi

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Three hosts, one switch, one controller, in network namespaces.
set -u

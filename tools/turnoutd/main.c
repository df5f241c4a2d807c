/* SPDX-License-Identifier: Apache-2.0 */
#include "mgmt/daemon.h"

int
main(int argc, char *argv[])
{
    return daemon_main(argc, argv);
}

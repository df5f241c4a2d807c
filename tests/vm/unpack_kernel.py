#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""unpack_kernel.py IMAGE VMLINUX: the ELF kernel out of a boot image that is packed with xz.

QEMU enters an ELF kernel at its PVH entry point, so the emulated machine need not unpack it.
"""

import lzma
import sys

XZ = b"\xfd7zXZ\0"


def main():
    with open(sys.argv[1], "rb") as source:
        image = source.read()
    at = image.find(XZ)
    if at < 0:
        sys.exit("%s is not packed with xz" % sys.argv[1])
    kernel = lzma.LZMADecompressor(format=lzma.FORMAT_XZ).decompress(image[at:])
    if not kernel.startswith(b"\x7fELF"):
        sys.exit("what is packed in %s is not ELF" % sys.argv[1])
    with open(sys.argv[2], "wb") as out:
        out.write(kernel)


if __name__ == "__main__":
    main()

"""Drives nos in QEMU for the system tests.

guest.py    a running guest: boot it, type at its prompt, look at its screen, end it
machine.py  which guest: machine type, CPUs, memory, devices, how it boots; gives the QEMU command
qmp.py      QEMU's control socket
build.py    the kernels and images that are booted
"""

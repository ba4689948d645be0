"""Drives nos in QEMU for the system tests.

guest.py    a running guest: boot it, type at its prompt, look at its screen, end it
machine.py  which guest: machine type, CPUs, memory, devices, how it boots; gives the QEMU command
qmp.py      QEMU's control socket
network.py  a network namespace with taps and servers
capture.py  what a guest sends, recorded and judged by tshark
peer.py     a peer made by hand (scapy), and a wire that loses frames
build.py    the kernels and images that are booted
"""

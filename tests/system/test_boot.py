"""From power-on to the prompt: every machine, every way to boot, every number of CPUs."""
import re

import pytest

from boot_loop import online_cpus


@pytest.mark.parametrize("machine", ["pc", "q35", "microvm", "microvm,pcie=on", "microvm,pit=off,pic=off,rtc=off", "microvm,acpi=off"])
@pytest.mark.parametrize("cpu", ["max", "qemu64"])
def test_machines(boot, machine, cpu):
    guest = boot(machine=machine, cpu=cpu, cpus=2)
    assert online_cpus(guest) == 2
    guest.poweroff()


@pytest.mark.parametrize("machine", ["pc", "q35"])
@pytest.mark.parametrize("uefi", [False, True], ids=["bios", "uefi"])
def test_multiboot2(boot, machine, uefi):
    guest = boot(machine=machine, boot="iso", uefi=uefi, cpus=2, memory="512")
    assert online_cpus(guest) == 2
    guest.poweroff()


@pytest.mark.parametrize("cpus", [1, 2, 4, 8, 16])
def test_boot_and_power_off(start, cpus):
    """The short form of boot_loop.py."""
    for _ in range(3):
        guest = start(cpus=cpus)
        guest.wait_prompt()
        assert online_cpus(guest) == cpus
        guest.poweroff()


def test_64_cpus(boot):
    guest = boot(cpus=64, memory="1G", config="gcc-release")
    assert online_cpus(guest) == 64
    guest.poweroff()


def test_smp_off(boot):
    guest = boot(cpus=4, append="smp=off")
    assert online_cpus(guest) == 1
    guest.poweroff()


def test_reboot_comes_back(boot):
    guest = boot(reboot=True)
    guest.type("reboot\r")
    guest.wait_prompt()  # its own screen is gone: this is the prompt of the second boot
    assert guest.log.count("nos 0.1 (") == 2
    guest.poweroff()


def test_stages_are_told_with_their_times(boot):
    """`boot` prints the stages, each later than the one before, and the log has them too."""
    guest = boot()
    times = [float(match) for match in re.findall(r"(\d+\.\d+)", guest.run("boot"))]
    assert len(times) >= 5


def test_no_self_test_on_a_normal_boot(boot):
    guest = boot()
    assert "passed" not in guest.log


def test_servers_listen_before_there_is_a_prompt(boot):
    """Whoever sees a prompt may use what the command line asked for."""
    guest = boot(cpus=4, append="udpshell=9000 httpd=80", devices=["-device", "virtio-net-pci"])
    log = guest.run("dmesg listening")
    assert "udp_shell: listening on port 9000" in log and "httpd: listening on port 80" in log
    steps = guest.run("init")
    assert max(steps.index("udp_shell_start"), steps.index("httpd_boot")) < steps.index("sessions_start")
    guest.poweroff()

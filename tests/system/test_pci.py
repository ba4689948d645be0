"""PCI: what is behind bridges is found, shown and works, and interrupts reach every CPU."""
import re

import pytest

from nos.disk import drive, make_image
from test_storage import good

ROOT_PORT = ["-device", "pcie-root-port,id=root,chassis=1,slot=1,addr=5"]


def functions(guest):
    """`pci` as name -> (first line, the lines below it)."""
    found, name = {}, None
    for line in guest.run("pci").splitlines():
        if line.startswith("    "):
            found[name][1].append(line.strip())
        elif line:
            name, rest = line.split(" ", 1)
            found[name] = (rest, [])
    return found


def qemu_functions(guest):
    """The same by QEMU: name -> (vendor:device, sizes of its BARs)."""
    def walk(devices):
        for device in devices:
            name = f"0000:{device['bus']:02x}:{device['slot']:02x}.{device['function']:x}"
            identity = f"{device['id']['vendor']:04x}:{device['id']['device']:04x}"
            yield name, (identity, sorted((region["bar"], region["address"], region["size"])
                                          for region in device["regions"] if region["bar"] < 6))
            yield from walk(device.get("pci_bridge", {}).get("devices", []))
    return dict(entry for bus in guest.qmp.command("query-pci") for entry in walk(bus["devices"]))


def shown_bars(lines):
    bars = []
    for line in lines:
        match = re.match(r"BAR(\d): (?:memory|I/O ports) 0x([0-9a-f]+), (\d+) bytes", line)
        if match:
            bars.append((int(match[1]), int(match[2], 16), int(match[3])))
    return sorted(bars)


def check_against_qemu(guest):
    shown, real = functions(guest), qemu_functions(guest)
    assert set(shown) == set(real)
    for name, (identity, bars) in real.items():
        assert shown[name][0].startswith(identity)
        assert shown_bars(shown[name][1]) == bars, name
    return shown


@pytest.mark.parametrize("vectors", [[], ["vectors=0"]], ids=["msix", "intx"])
def test_behind_a_root_port_and_two_bridges(boot, tmp_path, vectors):
    image = make_image(tmp_path / "a.img")
    guest = boot(cpus=2, devices=[
        *drive("a", image), *drive("b", make_image(tmp_path / "b.img")), *ROOT_PORT,
        "-device", "pcie-pci-bridge,id=first,bus=root", "-device", "pci-bridge,id=second,chassis_nr=3,bus=first,addr=3",
        "-device", ",".join(["virtio-blk-pci,drive=a,bus=second,addr=7", *vectors]),
        "-device", "pcie-root-port,id=other,chassis=2,slot=2,addr=6", "-device", "nvme,serial=1,drive=b,bus=other"])
    shown = check_against_qemu(guest)
    bridges = [line for line, _ in shown.values() if "PCI bridge to bus" in line]
    assert len(bridges) == 4 and len({line.split("to bus ")[1][:2] for line in bridges}) == 4
    capabilities = " ".join(line for _, lines in shown.values() for line in lines if "capabilities" in line)
    for name in ("MSI", "express", "vendor", "power"):
        assert name in capabilities
    for name in ("vda", "nvme0n1"):
        good(guest, f"disktest {name} write 0 2048")
        good(guest, f"disktest {name} verify 0 2048")
    guest.poweroff()


def test_behind_a_bridge_on_pc(boot, tmp_path):
    guest = boot(machine="pc", devices=[
        *drive("a", make_image(tmp_path / "a.img")), "-device", "pci-bridge,id=bridge,chassis_nr=1",
        "-device", "virtio-blk-pci,drive=a,bus=bridge,addr=9,vectors=0", "-device", "virtio-rng-pci,bus=bridge,addr=0xa"])
    check_against_qemu(guest)
    good(guest, "disktest vda write 0 2048")
    guest.poweroff()


def test_functions_of_one_device(boot):
    guest = boot(devices=["-device", "virtio-rng-pci,addr=4.0,multifunction=on", "-device", "virtio-rng-pci,addr=4.3"])
    shown = check_against_qemu(guest)
    assert "0000:00:04.0" in shown and "0000:00:04.3" in shown


def test_one_function_is_shown_by_its_name(boot):
    guest = boot(devices=["-device", "virtio-rng-pci,addr=4"])
    assert len(re.findall(r"^0000:", guest.run("pci 00:04.0"), re.MULTILINE)) == 1
    assert all(line.startswith("0000:") for line in guest.run("pci -s").splitlines())
    output, succeeded = guest.status("pci 77:00.0")
    assert not succeeded and "no function named 77:00.0" in output


def test_irqstat_shows_vectors_on_every_cpu(boot, tmp_path):
    guest = boot(cpus=4, devices=[*drive("a", make_image(tmp_path / "a.img")), "-device", "nvme,serial=1,drive=a"])
    good(guest, "disktest nvme0n1 write 0 8192 -b 8 -j 64")
    rows = re.findall(r"^nvme0 queue \d +(\d+) +0x[0-9a-f]+ MSI +(\d+) +(\d+)$", guest.run("irqstat"), re.MULTILINE)
    assert sorted(cpu for cpu, _, _ in rows) == ["0", "1", "2", "3"]
    assert sum(int(claimed) for _, claimed, _ in rows) > 0


def test_without_pci(boot):
    guest = boot(machine="microvm")
    assert "no PCI functions" in guest.run("pci") and "pci: no PCI on this machine" in guest.log


def test_a_bridge_that_cannot_be_reached(boot):
    """QEMU's microvm has PCI, but neither an MCFG nor the ports to reach it: a warning, not silence."""
    guest = boot(machine="microvm,pcie=on", devices=["-device", "virtio-rng-pci"])
    assert "WARNING pci: there is a host bridge, but no MCFG" in guest.log
    assert "no PCI functions" in guest.run("pci")

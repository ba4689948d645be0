"""The random generator and its sources, as a user meets them."""
import re

import pytest


def sources(guest):
    """The table of `entropy`: name -> (bits per byte, bytes given, failures)."""
    lines = re.findall(r"(?m)^(\S+) +(\d+) +(\d+) +(\d+)$", guest.run("entropy"))
    return {name: tuple(map(int, numbers)) for name, *numbers in lines}


def test_random_prints_hexadecimal(boot):
    guest = boot()
    texts = [guest.run("random 32").strip() for _ in range(5)]
    assert all(re.fullmatch("[0-9a-f]{64}", text) for text in texts)
    assert len(set(texts)) == 5
    assert re.fullmatch("[0-9a-f]{32}", guest.run("random").strip())
    long = guest.run("random 10000").strip()
    assert re.fullmatch("[0-9a-f]{20000}", long)
    digits = [long.count(digit) for digit in "0123456789abcdef"]
    assert min(digits) > 1000 and max(digits) < 1500  # 1250 each, 7 standard deviations away


@pytest.mark.parametrize("length", ["0", "-1", "1048577", "99999999999999999999999", "x", "16x"])
def test_random_refuses_nonsense(boot, length):
    guest = boot()
    output, succeeded = guest.status(f"random {length}")
    assert not succeeded and "1 to 1048576" in output


def test_two_boots_differ(boot):
    assert boot(cpu="qemu64").run("random 32") != boot(cpu="qemu64").run("random 32")


def test_processor_with_rdrand(boot):
    guest = boot(cpu="max")
    found = sources(guest)
    assert found["cpu"][1] >= 32 and found["cpu"][2] == 0
    assert found["jitter"][1] >= 32
    assert "bits of entropy: no RDRAND" not in guest.log


def test_processor_without_rdrand(boot):
    guest = boot(cpu="qemu64")
    found = sources(guest)
    assert found["cpu"][1] == 0 and found["cpu"][2] >= 1
    assert "no RDRAND, no virtio-rng" in guest.log


@pytest.mark.parametrize("machine", ["q35", "microvm"])
def test_virtio_rng_feeds_the_generator(boot, machine):
    transport = "device" if machine == "microvm" else "pci"
    guest = boot(cpu="qemu64", machine=machine, devices=["-device", f"virtio-rng-{transport}"])
    given = [numbers for name, numbers in sources(guest).items() if name not in ("cpu", "jitter")]
    assert len(given) == 1 and given[0][1] >= 16
    assert "no RDRAND, no virtio-rng" not in guest.log

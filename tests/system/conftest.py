"""Fixtures of the system tests.

    def test_something(boot):
        guest = boot(cpus=4)            # at its prompt; the options are those of nos.machine.Machine
        assert "4" in guest.run("cpu")

    start    the same, but returns at once: for guests that are not to reach a prompt

Guests end with the test. Those of a failed test are reported: the QEMU command and the serial log.
What each guest has sent is looked at by tshark then (nos.capture): a bad checksum or a malformed
packet fails the test.
"""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from nos import network as networks  # noqa: E402  the path comes first
from nos.guest import PATIENCE, Guest  # noqa: E402

GUESTS = pytest.StashKey()


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="the long versions of tests too: hours")


def pytest_collection_modifyitems(config, items):
    for item in items:
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(float(config.getini("timeout")) * PATIENCE))
    if config.getoption("--full"):
        return
    for item in items:
        if item.get_closest_marker("full"):
            item.add_marker(pytest.mark.skip(reason="a long version: pytest --full"))


@pytest.fixture
def start(request, tmp_path):
    """Start guests with start(**options); none is waited for."""
    guests = request.node.stash.setdefault(GUESTS, [])

    def start_guest(**options):
        guest = Guest(tmp_path / f"guest{len(guests)}", **options)
        guests.append(guest)
        return guest

    yield start_guest
    for guest in guests:
        guest.kill()
    complaints = [line for guest in guests for line in guest.complaints()]
    assert not complaints, "the guest sent:\n" + "\n".join(complaints[:20])


@pytest.fixture
def boot(start):
    """Boot guests to their prompt with boot(**options)."""

    def boot_guest(**options):
        guest = start(**options)
        guest.wait_prompt()
        return guest

    return boot_guest


@pytest.fixture
def networks_of_test(request, tmp_path, start):
    """Make networks; they outlive the guests of the test."""
    reason = networks.why_not()
    if reason:
        pytest.skip(reason)
    made = []

    def make(**options):
        made.append(networks.Network(tmp_path / f"network{len(made)}", **options))
        return made[-1]

    yield make
    for guest in request.node.stash.get(GUESTS, []):
        guest.kill()
    for network in made:
        network.close()


@pytest.fixture
def network(networks_of_test):
    """A network with one tap."""
    return networks_of_test()


@pytest.fixture
def peer():
    """A peer made by hand on a wire of its own (nos.peer)."""
    from nos.peer import Peer

    made = Peer()
    yield made
    made.close()


@pytest.fixture
def sink(peer, boot):
    """(guest, peer): the guest takes TCP connections and counts what comes (nos.tcp_script)."""
    from nos.tcp_script import GUEST, HOST, serve

    guest = boot(append=f"ip={GUEST}/24,{HOST}", devices=peer.nic(), cpus=2)
    serve(guest)
    return guest, peer


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Show the guests of a failed test."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for guest in item.stash.get(GUESTS, []):
            report.sections.append((f"guest {guest.folder.name}", guest.report()))

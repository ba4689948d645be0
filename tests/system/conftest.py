"""Fixtures of the system tests.

    def test_something(boot):
        guest = boot(cpus=4)            # at its prompt; the options are those of nos.machine.Machine
        assert "4" in guest.run("cpu")

    start    the same, but returns at once: for guests that are not to reach a prompt

Guests end with the test. Those of a failed test are reported: the QEMU command and the serial log.
"""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from nos.guest import Guest  # noqa: E402  the path comes first

GUESTS = pytest.StashKey()


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


@pytest.fixture
def boot(start):
    """Boot guests to their prompt with boot(**options)."""

    def boot_guest(**options):
        guest = start(**options)
        guest.wait_prompt()
        return guest

    return boot_guest


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Show the guests of a failed test."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for guest in item.stash.get(GUESTS, []):
            report.sections.append((f"guest {guest.folder.name}", guest.report()))

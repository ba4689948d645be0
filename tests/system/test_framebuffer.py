"""The screen under UEFI: log and shell drawn on the GOP framebuffer, read back cell by cell."""
import re
import time

import pytest

from nos import debugger, framebuffer, framebuffer_patch
from nos.guest import PATIENCE

VGA_64_MIB = ["-device", "VGA,vgamem_mb=64"]
YELLOW, GREY = (255, 255, 85), (170, 170, 170)


def wait_text(guest, pattern, seconds=30 * PATIENCE):
    """Wait until the text of the screen matches; return its lines."""
    end = time.monotonic() + seconds
    while True:
        guest.screenshot(guest.folder / "screen.png")
        lines = framebuffer.read_text(guest.folder / "screen.png")
        text = "\n".join(line for line, _ in lines)
        if re.search(pattern, text):
            return lines
        assert time.monotonic() < end, f"{pattern!r} is not on the screen:\n{text}"
        time.sleep(0.1)  # nothing tells of a change of the screen


def uefi(**options):
    return dict(boot="iso", uefi=True, memory="256", cpus=2, **options)


def test_log_and_shell_are_drawn(boot):
    guest = boot(**uefi(append="nonsense=1"))
    lines = wait_text(guest, r"(?m)^\$$")
    texts = [text for text, _ in lines]
    assert any("smp: 2 CPUs online" in text for text in texts)
    assert not any("\ufffd" in text for text in texts)
    warnings = [colours for text, colours in lines if "WARNING parameter: unknown: nonsense=1" in text]
    assert warnings and all(colour in (YELLOW, (0, 0, 0)) for colour in warnings[0])
    guest.type_keys('version ; echo "@~{}|"\n')
    wait_text(guest, r'\$ version ; echo "@~\{\}\|"\nnos 0\.1 .*\n(.*\n)?@~\{\}\|\n\$')
    assert "nos 0.1" in guest.run("version")  # the serial line works at the same time
    guest.poweroff()


def test_scrolling_and_cls(boot):
    guest = boot(**uefi())
    wait_text(guest, r"(?m)^\$$")
    guest.type_keys("help\n")  # longer than the screen
    wait_text(guest, r"(?m)^write PATH.*\n(.*\n)*\$\n*\Z")
    guest.type_keys("version\n")  # not before: a keyboard forgets keys while nobody takes them
    lines = wait_text(guest, r"\$ version\nnos 0\.1 .*\n(.*\n)?\$\n*$")
    assert lines[-1][0] == "$" or lines[-2][0] == "$"
    guest.type_keys("cls\n")
    wait_text(guest, r"\A\$\n+\Z")


@pytest.mark.parametrize("console, on_screen, on_line", [("vga", True, False), ("serial", False, True)])
def test_console_parameter(start, console, on_screen, on_line):
    guest = start(**uefi(append=f"console={console}"))
    if on_screen:
        wait_text(guest, r"(?m)^\$$", seconds=90 * PATIENCE)
    if on_line:
        guest.wait_prompt()
        assert not any(text.startswith("$") for text, _ in wait_text(guest, "smp: 2 CPUs"))
    assert ("\n$ " in guest.log) == on_line


def test_a_screen_of_4k(boot, monkeypatch):
    """Glyphs of twice the size, as wide as a line of text can be; and typing is still possible."""
    monkeypatch.setenv("NOS_GFXMODE", "3840x2160")
    guest = boot(**uefi(vga=False, devices=VGA_64_MIB))
    assert "framebuffer: 3840x2160 pixels of 32 bits, 240 by 67 characters" in guest.log
    guest.type_keys("version\n")
    end = time.monotonic() + 30 * PATIENCE
    while True:
        guest.screenshot(guest.folder / "screen.png")
        texts = [text for text, _ in framebuffer.read_text(guest.folder / "screen.png", scale=2)]
        if texts.count("$") == 1 and "$ version" in texts:
            break
        assert time.monotonic() < end, "\n".join(texts)
        time.sleep(0.1)
    assert any(text.startswith("nos 0.1") for text in texts)
    guest.poweroff()


@pytest.mark.parametrize("width, height, pitch, told", [
    (32, 32, 128, "32x32 pixels are too few to write on"),
    (800, 600, 32, "800x600 pixels of .* not believed"),
], ids=["32x32", "lines that overlap"])
def test_a_mode_that_is_no_use_costs_a_line(start, width, height, pitch, told):
    guest = start(**uefi(devices=debugger.STOPPED))
    framebuffer_patch.run(guest, width, height, pitch)
    guest.wait_prompt()
    warnings = [line for line in guest.run("dmesg framebuffer").splitlines() if "framebuffer:" in line]
    assert len(warnings) == 1 and re.search(told, warnings[0])
    guest.poweroff()

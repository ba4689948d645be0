"""The VGA text screen and the PS/2 keyboard, driven as a person would."""
import re


def test_screen_and_keyboard_work_as_the_serial_line_does(boot):
    guest = boot(machine="pc")
    guest.wait_screen(r"(?m)^\$ *$")
    guest.type_keys("version\n")
    guest.wait_screen(r"\$ version\n(.*\n)*?nos \d+\.\d+ \(")
    guest.type_keys('help "cls" ; VERSION\n')  # shifted keys
    guest.wait_screen(r"VERSION")
    guest.type_keys("cls\n")
    guest.wait_screen(r"^\$ *\n")


def test_editing_keys(boot):
    guest = boot()
    guest.wait_screen(r"(?m)^\$ *$")
    guest.type_keys("verson")
    guest.press("left")
    guest.press("left")
    guest.type_keys("i\n")
    guest.wait_screen(r"\$ version\nnos \d+\.\d+ \(")
    guest.type_keys("cls\n")
    guest.wait_screen(r"^\$ *\n")
    guest.press("up")
    guest.press("up")
    guest.type_keys("\n")
    guest.wait_screen(r"\$ version\nnos \d+\.\d+ \(")


def test_screen_scrolls(boot):
    guest = boot()
    guest.wait_screen(r"(?m)^\$ *$")
    guest.type_keys("help\n")
    guest.wait_screen(r"version(.*\n)*\$ *$")
    first = guest.screen()
    guest.type_keys("version\n")
    guest.wait_screen(r"\$ version\nnos \d+\.\d+ \(.*\n.*\n\$ *$")
    second = guest.screen()
    assert second[0] != first[0] and second[:3] == first[3:6]


def test_both_consoles_at_once(boot):
    """A session on each: what is typed on one does not show on the other."""
    guest = boot()
    guest.wait_screen(r"(?m)^\$ *$")
    guest.type_keys("uptime")
    assert "nos" in guest.run("version")
    guest.type_keys("\n")
    match = guest.wait_screen(r"\$ uptime\n(.*)\n")
    assert re.search(r"\d", match[1])


def test_console_parameter_picks_one(start):
    guest = start(append="console=vga")
    guest.wait_screen(r"(?m)^\$ *$")
    assert "$ " not in guest.log
    guest = start(append="console=serial")
    guest.wait_prompt()
    assert not any(line.startswith("$") for line in guest.screen())

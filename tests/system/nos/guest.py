"""A guest that runs: typed at over its serial line, looked at through QMP, ended by its process id.

Every wait has a limit, which is a detector of hangs and no measure of speed: it is generous, and
NOS_PATIENCE=N makes it N times as long for a slow or busy machine.
"""
import ctypes
import os
import pathlib
import re
import shlex
import signal
import socket
import subprocess
import time

import pexpect
import pexpect.fdpexpect

from nos import capture
from nos.machine import Machine
from nos.qmp import Qmp

PATIENCE = float(os.environ.get("NOS_PATIENCE", "1"))
BOOT_SECONDS = 60 * PATIENCE
ANSWER_SECONDS = 30 * PATIENCE

# What a person sees: a dollar sign and a space at the start of a line, and nothing behind it.
PROMPT = r"(?:^|[\r\n])\$ $"

I8042_STATUS, I8042_OUTPUT_FULL = 0x64, 1

PR_SET_PDEATHSIG = 1
SO_SNDBUFFORCE = 32  # asm-generic/socket.h; Python does not name it
SERIAL_BUFFER_SIZE = 64 << 20
libc = ctypes.CDLL(None)

# Keys of a US keyboard, by QEMU's names.
KEY_NAMES = {" ": "spc", "\n": "ret", "\t": "tab", "\b": "backspace", "-": "minus", "=": "equal",
             "[": "bracket_left", "]": "bracket_right", ";": "semicolon", "'": "apostrophe",
             "`": "grave_accent", "\\": "backslash", ",": "comma", ".": "dot", "/": "slash"}
SHIFTED = dict(zip('!@#$%^&*()_+{}:"~|<>?', "1234567890-=[];'`\\,./"))


def hold_much(sock):
    """Let a socket hold what is written until a busy machine lets the test read it.

    QEMU writes the serial line byte by byte, and each byte counts as most of a kilobyte: the usual
    buffer is full after 280 of them, and the UART then looks dead to a kernel that boots.
    """
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, SERIAL_BUFFER_SIZE)
    except PermissionError:  # not root: as much as is allowed
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SERIAL_BUFFER_SIZE)


class Guest:
    """One QEMU process. Use as a context manager, or through the fixtures of conftest.py."""

    def __init__(self, folder, prefix=(), **options):
        """@prefix: words before the QEMU command, e.g. those that enter a network namespace."""
        self.machine = Machine(**options)
        self.folder = pathlib.Path(folder).absolute()  # QEMU's own: sockets there have short names
        self.folder.mkdir(parents=True, exist_ok=True)
        self._captures = capture.of(self.machine.devices, self.folder)
        self._serial, serial_far = socket.socketpair()
        hold_much(serial_far)
        qmp_near, qmp_far = socket.socketpair()
        self.command = [*prefix, *self.machine.command(self.folder, serial_far.fileno(), qmp_far.fileno()),
                        *(word for one in self._captures for word in one.options())]
        self._messages = open(self.folder / "qemu.log", "wb")
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            self.command, cwd=self.folder, pass_fds=(serial_far.fileno(), qmp_far.fileno()), stdin=subprocess.DEVNULL,
            stdout=self._messages, stderr=subprocess.STDOUT,
            preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
        serial_far.close()
        qmp_far.close()
        self.qmp = Qmp(qmp_near)
        self._log = open(self.folder / "serial.log", "w", encoding="latin1", newline="")
        self.serial = pexpect.fdpexpect.fdspawn(self._serial.fileno(), encoding="latin1",
                                                timeout=ANSWER_SECONDS, maxread=65536)
        self.serial.logfile_read = self._log

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    # ---- the serial line ----

    def expect(self, pattern, timeout=None):
        """Wait for a regular expression on the serial line; return the match."""
        self.serial.expect(pattern, timeout=timeout if timeout else ANSWER_SECONDS)
        return self.serial.match

    def wait_prompt(self, timeout=None):
        """Wait for the prompt; return what was printed before it."""
        self.serial.expect(PROMPT, timeout=timeout if timeout else BOOT_SECONDS)
        return self.serial.before

    def type(self, text):
        """Type without waiting for anything."""
        self.serial.send(text)

    def read_some(self, seconds=1):
        """Take what the serial line has, so that it can go on; waits for it for a moment."""
        try:
            self.serial.read_nonblocking(65536, seconds)
        except pexpect.TIMEOUT:
            pass

    def run(self, line, timeout=None):
        """Type a command at the prompt; return what it printed, without the echo, lines by \\n."""
        self.type(line + "\r")
        output = self.wait_prompt(timeout if timeout else ANSWER_SECONDS)
        text = output.replace("\r\n", "\n").replace("\r", "\n")
        echo, _, printed = text.partition("\n")
        assert echo.endswith(line), f"typed {line!r}, echoed {echo!r}"
        return printed

    def status(self, line, timeout=None):
        """Run a command; return (its output, whether it succeeded), by the shell's own word."""
        output = self.run(line, timeout)
        return output, self.run("echo $?").strip() == "0"

    def wait_boot_over(self):
        """Until what only the boot needed is given back: another task does that, maybe after the prompt."""
        end = time.monotonic() + ANSWER_SECONDS
        while "that only the boot needed are free" not in self.run("dmesg mm:"):
            assert time.monotonic() < end, "the boot does not end"

    @property
    def log(self):
        """Everything the serial line has said so far."""
        self._log.flush()
        return (self.folder / "serial.log").read_text(encoding="latin1")

    # ---- screen and keyboard ----

    def screen(self):
        """The VGA text screen: 25 lines of 80 characters, trailing blanks cut."""
        cells = self.memory(0xB8000, 80 * 25 * 2)
        text = cells[::2].decode("cp437").replace("\0", " ")
        return [text[row * 80:row * 80 + 80].rstrip() for row in range(25)]

    def screen_colours(self):
        """The attribute bytes of the VGA text screen, 25 rows of 80."""
        cells = self.memory(0xB8000, 80 * 25 * 2)[1::2]
        return [cells[row * 80:row * 80 + 80] for row in range(25)]

    def wait_screen(self, pattern, timeout=None):
        """Wait until the text of the screen matches; return the match."""
        end = time.monotonic() + (timeout if timeout else ANSWER_SECONDS)
        while True:
            text = "\n".join(self.screen())
            match = re.search(pattern, text)
            if match:
                return match
            assert time.monotonic() < end, f"{pattern!r} is not on the screen:\n{text}"
            time.sleep(0.05)  # nothing tells of a change of the screen

    def screenshot(self, path, kind="png"):
        """Save a picture of the screen."""
        self.qmp.command("screendump", filename=str(pathlib.Path(path).absolute()), format=kind)

    def press(self, *keys):
        """Press keys together, by QEMU's names: press("ctrl", "c"); they have been taken when it returns."""
        for key, is_down in [*((key, True) for key in keys), *((key, False) for key in reversed(keys))]:
            self.qmp.command("input-send-event", events=[
                {"type": "key", "data": {"down": is_down, "key": {"type": "qcode", "data": key}}}])
        # A keyboard keeps 16 bytes, five keys, and forgets the rest: on a busy machine the next ones would be lost.
        end = time.monotonic() + ANSWER_SECONDS
        while int(self.qmp.monitor(f"i /1xb {I8042_STATUS:#x}").split("=")[1], 16) & I8042_OUTPUT_FULL:
            assert time.monotonic() < end, "the guest takes no keys"

    def type_keys(self, text):
        """Type on the PS/2 keyboard."""
        for character in text:
            plain = SHIFTED.get(character, character.lower())
            shift = ["shift"] if character in SHIFTED or character.isupper() else []
            self.press(*shift, KEY_NAMES.get(plain, plain))

    def memory(self, address, size):
        """Bytes of the guest's physical memory."""
        path = self.folder / "memory.bin"
        self.qmp.command("pmemsave", val=address, size=size, filename=str(path.absolute()))
        return path.read_bytes()

    # ---- the process ----

    def cpu_seconds(self):
        """How long QEMU has been computing, all its threads together."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def wait_exit(self, timeout=None):
        """Wait for QEMU to end by itself; return its exit status. Reads the serial line meanwhile."""
        try:
            self.serial.expect(pexpect.EOF, timeout=timeout if timeout else BOOT_SECONDS)
        except OSError:
            pass  # the far end of the socket is gone: as good as its end
        return self.process.wait(timeout if timeout else BOOT_SECONDS)

    def poweroff(self, timeout=None):
        """Type poweroff; QEMU must end with status 0."""
        self.type("poweroff\r")
        status = self.wait_exit(timeout)
        assert status == 0, f"poweroff ended QEMU with status {status}"

    def kill(self):
        """End QEMU, whatever state it is in."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._log.close()
        self._messages.close()
        self._serial.close()
        for one in self._captures:
            one.close()

    def complaints(self):
        """What tshark finds wrong with what this guest sent; it must have been killed or have ended."""
        return [line for one in self._captures for line in one.complaints()]

    def report(self):
        """What a failed test shows of this guest."""
        lines = self.log_after_end().splitlines()
        messages = (self.folder / "qemu.log").read_text(errors="replace").strip()
        return "\n".join([f"QEMU command, in {self.folder}:", shlex.join(self.command), *([messages] if messages else []),
                          f"serial log ({self.folder}/serial.log), last lines:", *lines[-60:]])

    def log_after_end(self):
        if not self._log.closed:
            self._log.flush()
        return (self.folder / "serial.log").read_text(encoding="latin1")

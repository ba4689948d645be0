"""What a guest sends, recorded at each of its NICs and judged by tshark when the guest has ended.

Every guest has this by itself (nos.guest, conftest.py): a bad checksum or a malformed packet fails
the test, whatever it was about. Recorded is the beginning, LIMIT bytes for each NIC, so that a
gigabyte costs no more than a few megabytes.

On a tap QEMU records the virtio header with each frame. It is taken off; where it asks the device to
complete a checksum (VIRTIO 1.2, 5.1.6.2), and only there, this is done before tshark sees the frame.
"""
import ctypes
import os
import re
import signal
import struct
import subprocess

LIMIT = 4 << 20
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None)

FILE_HEADER, RECORD_HEADER = 24, 16
NEEDS_CSUM, UDP_CHECKSUM_OFFSET = 1, 6

CHECK_SUMS = [word for protocol in ("ip", "udp", "tcp") for word in ("-o", f"{protocol}.check_checksum:TRUE")]
BAD_CHECKSUM = " || ".join(f"{protocol}.checksum.status == 0" for protocol in ("ip", "udp", "tcp", "icmp"))
# Of what the guest itself has made. What it carries is somebody else's: the packet that an ICMP error quotes and cuts
# off, the body of a page, and data that tshark takes for some protocol by the port that a client happens to have.
MADE = "^eth:ethertype:(arp|ip|ip:icmp|ip:(udp|tcp)(:(dns|dhcp|ntp|http))?)(:_ws[.]malformed)?$"
# TCP that sends its bytes again in other pieces (a smaller path MTU) is what tshark cannot put together.
MALFORMED = f'(_ws.malformed && frame.protocols matches "{MADE}" && !(tcp && _ws.malformed.reassembly))'


def of(devices, folder):
    """A capture for each netdev among QEMU's options."""
    text = " ".join(map(str, devices))
    made = []
    for backend in re.findall(r"-netdev (\S+)", text):
        name = re.search(r"\bid=([^,]+)", backend).group(1)
        device = re.search(rf"-device (\S*netdev={name}\b\S*)", text)
        if "queues=" in backend or not device:
            continue  # QEMU records none that have several queues: see Network.record()
        mac = re.search(r"\bmac=([0-9a-f:]+)", device.group(1))
        header_of = bytes.fromhex(mac.group(1).replace(":", "")) if backend.startswith("tap") else None
        made.append(Capture(folder / f"{name}.pcap", name, header_of))
    return made


class Capture:
    def __init__(self, path, netdev, header_of=None):
        """Start recording. QEMU writes into a pipe, whose reader closes it when it has enough.

        @header_of: the MAC of a NIC whose frames are recorded with a virtio header."""
        self.path, self._netdev, self._header_of = path, netdev, header_of
        self._pipe = path.with_suffix(".pipe")
        self._pipe.unlink(missing_ok=True)
        os.mkfifo(self._pipe)
        with open(path, "wb") as file:
            self._reader = subprocess.Popen(
                ["head", "-c", str(LIMIT), self._pipe], stdout=file, stdin=subprocess.DEVNULL,
                preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL))

    def options(self):
        """QEMU's part: all that is sent to the netdev, which is what the guest sends."""
        return ["-object", f"filter-dump,id=capture-{self._netdev},netdev={self._netdev},queue=rx,file={self._pipe}"]

    def close(self):
        """QEMU has ended."""
        if self._reader.poll() is None:
            # it has met the end of the pipe, or waits for a QEMU that never opened it
            with open(self._pipe, "r+b", buffering=0):
                pass
            try:
                self._reader.wait(10)
            except subprocess.TimeoutExpired:
                self._reader.kill()
                self._reader.wait()
        self._pipe.unlink(missing_ok=True)

    def complaints(self):
        if self._header_of and self.path.stat().st_size > FILE_HEADER:
            take_headers_off(self.path, self._header_of)
        return judge(self.path)


def judge(path):
    """What tshark finds wrong in a file of frames that a guest sent: a line for each."""
    if path.stat().st_size <= FILE_HEADER:
        return []
    done = subprocess.run(["tshark", "-n", "-r", path, *CHECK_SUMS, "-Y", f"{BAD_CHECKSUM} || {MALFORMED}"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    found = [f"{path.name}: {line}" for line in done.stdout.splitlines()]
    if done.returncode not in (0, 2):  # 2: the last frame was cut, by the limit or the end of QEMU
        found.append(f"{path.name}: tshark: {done.stderr}")
    return found


def records(data):
    """The whole frames of a file's content: (the first 8 bytes of the record's header, the frame)."""
    at = FILE_HEADER
    while at + RECORD_HEADER <= len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        frame = data[at + RECORD_HEADER:at + RECORD_HEADER + length]
        if len(frame) == length:
            yield data[at:at + 8], frame
        at += RECORD_HEADER + length


def take_headers_off(path, mac):
    """Rewrite the file as the device sends its frames. The header has 12 bytes, or 10 of old devices."""
    data = path.read_bytes()
    with open(path, "wb") as file:
        file.write(data[:FILE_HEADER])
        for when, frame in records(data):
            size = next((size for size in (12, 10) if frame[size + 6:size + 12] == mac), 0)
            bare = as_sent(frame[:size], bytearray(frame[size:]))
            file.write(when + struct.pack("<II", len(bare), len(bare)) + bare)


def as_sent(header, frame):
    """Do the device's part of a checksum, if the header asks for it."""
    if not header or not header[0] & NEEDS_CSUM:
        return frame
    start, offset = struct.unpack_from("<HH", header, 6)
    checksum = ones_sum(frame[start:]) ^ 0xFFFF  # the sum of the pseudo header is in it, in the field
    if start + offset + 2 <= len(frame):
        is_udp = offset == UDP_CHECKSUM_OFFSET  # in which 0 means that there is none
        struct.pack_into("!H", frame, start + offset, 0xFFFF if checksum == 0 and is_udp else checksum)
    return frame


def ones_sum(data):
    """The sum of big-endian 16-bit words with the carries added: 1 to 65535 but for zeros alone."""
    total = int.from_bytes(data + b"\0" * (len(data) % 2), "big")
    return total % 0xFFFF or (0xFFFF if total else 0)

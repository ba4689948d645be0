"""What a guest sends, recorded at each of its NICs and judged by tshark when the guest has ended.

Every guest has this by itself (nos.guest, conftest.py): a bad checksum or a malformed packet fails
the test, whatever it was about. Recorded is the beginning, LIMIT bytes for each NIC, so that a
gigabyte costs no more than a few megabytes.

One thing that looks bad is right: with checksum offload, a frame may leave the guest with the sum
of the pseudo header in its checksum field, and the device adds the rest (VIRTIO 1.2, 5.1.6.2).
Exactly such frames, on NICs that have the offload, are completed before tshark sees them.
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

FILE_HEADER, RECORD_HEADER, ETHERNET_HEADER = 24, 16, 14
TCP, UDP = 6, 17
CHECKSUM_AT = {TCP: 16, UDP: 6}

CHECK_SUMS = [word for protocol in ("ip", "udp", "tcp") for word in ("-o", f"{protocol}.check_checksum:TRUE")]
BAD_CHECKSUM = " || ".join(f"{protocol}.checksum.status == 0" for protocol in ("ip", "udp", "tcp", "icmp"))
# An ICMP error quotes the beginning of a packet: one that somebody else sent, and cut off.
# TCP that sends its bytes again in other pieces (a smaller path MTU) is what tshark cannot put together.
MALFORMED = "(_ws.malformed && !(icmp.type in {3, 11, 12}) && !(tcp && _ws.malformed.reassembly))"


def of(devices, folder):
    """A capture for each netdev among QEMU's options."""
    text = " ".join(map(str, devices))
    made = []
    for backend in re.findall(r"-netdev (\S+)", text):
        name = re.search(r"\bid=([^,]+)", backend).group(1)
        device = re.search(rf"-device (\S*netdev={name}\b\S*)", text)
        if "queues=" in backend or not device:
            continue  # QEMU records none that have several queues: see Network.record()
        has_offload = backend.startswith("tap") and not re.search(r"\bcsum=off", device.group(1))
        made.append(Capture(folder / f"{name}.pcap", has_offload, name))
    return made


class Capture:
    def __init__(self, path, has_offload, netdev=None):
        """Start recording. QEMU writes into a pipe, whose reader closes it when it has enough."""
        self.path, self.has_offload, self._netdev = path, has_offload, netdev
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
        return judge(self.path, self.has_offload)


def judge(path, has_offload):
    """What tshark finds wrong in a file of frames that a guest sent: a line for each."""
    if path.stat().st_size <= FILE_HEADER:
        return []
    if has_offload:
        complete_partial_checksums(path)
    done = subprocess.run(["tshark", "-n", "-r", path, *CHECK_SUMS, "-Y", f"{BAD_CHECKSUM} || {MALFORMED}"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    found = [f"{path.name}: {line}" for line in done.stdout.splitlines()]
    if done.returncode not in (0, 2):  # 2: the last frame was cut, by the limit or the end of QEMU
        found.append(f"{path.name}: tshark: {done.stderr}")
    return found


def complete_partial_checksums(path):
    """Do the device's part for the frames that ask for it, and for no others."""
    data = bytearray(path.read_bytes())
    at = FILE_HEADER
    while at + RECORD_HEADER <= len(data):
        captured, length = struct.unpack_from("<II", data, at + 8)
        at += RECORD_HEADER
        if captured == length and at + captured <= len(data):
            complete_frame(data, at, length)
        at += captured
    path.write_bytes(data)


def complete_frame(data, at, length):
    ip = at + ETHERNET_HEADER
    if length < ETHERNET_HEADER + 20 or data[at + 12:at + 14] != b"\x08\x00" or data[ip + 6] & 0x3F or data[ip + 7]:
        return  # not IPv4, or a fragment
    protocol, header = data[ip + 9], (data[ip] & 15) * 4
    segment, end = ip + header, ip + struct.unpack_from("!H", data, ip + 2)[0]
    if protocol not in CHECKSUM_AT or end > at + length or segment + CHECKSUM_AT[protocol] + 2 > end:
        return
    field = segment + CHECKSUM_AT[protocol]
    pseudo = ones_sum(data[ip + 12:ip + 20] + struct.pack("!HH", protocol, end - segment))
    if struct.unpack_from("!H", data, field)[0] == pseudo:
        whole = ones_sum(data[segment:end])  # the pseudo header's sum is in it, in the field
        checksum = whole ^ 0xFFFF
        struct.pack_into("!H", data, field, 0xFFFF if checksum == 0 and protocol == UDP else checksum)


def ones_sum(data):
    """The sum of big-endian 16-bit words with the carries added: 1 to 65535 but for zeros alone."""
    total = int.from_bytes(data + b"\0" * (len(data) % 2), "big")
    return total % 0xFFFF or (0xFFFF if total else 0)

"""Which guest to boot, and the QEMU command line that makes it."""
import dataclasses
import pathlib

from nos import build

OVMF = pathlib.Path("/usr/share/ovmf/OVMF.fd")


@dataclasses.dataclass
class Machine:
    """A machine. The defaults are the cheapest that is complete: q35 by PVH, no disk and no NIC."""

    machine: str = "q35"            # pc, q35 or microvm; options may follow: "microvm,pic=off"
    cpus: int = 1
    memory: str = "256"             # as QEMU's -m
    cpu: str = "max"                # max has what TCG can do; qemu64 has little: the fallbacks
    boot: str = "pvh"               # pvh (-kernel), iso (by GRUB), or disk (whatever is in devices)
    uefi: bool = False              # OVMF rather than SeaBIOS; not with pvh
    append: str = ""                # kernel parameters
    config: str = None              # which build, e.g. gcc-release; None: build.DEFAULT_CONFIG
    devices: list = dataclasses.field(default_factory=list)  # more QEMU options, e.g. ["-device", "x"]
    accelerator: str = "tcg,thread=multi"
    vga: bool = True                # microvm never has one
    reboot: bool = False            # False: a reset of the guest ends QEMU

    @property
    def is_microvm(self):
        return self.machine.startswith("microvm")

    @property
    def transport(self):
        """The last part of the name of a virtio device: virtio-blk-pci, virtio-blk-device."""
        return "device" if self.is_microvm and "pcie=on" not in self.machine else "pci"

    def _boot_options(self, folder):
        if self.boot == "pvh":
            return ["-kernel", str(build.kernel(self.config)), *(["-append", self.append] if self.append else [])]
        firmware = ["-bios", str(OVMF)] if self.uefi else []
        if self.boot == "disk":
            return firmware
        iso = build.make_iso(pathlib.Path(folder) / "boot.iso", self.append, self.config)
        return [*firmware, "-boot", "d", "-cdrom", str(iso)]

    def command(self, folder, serial_fd, qmp_fd):
        """The QEMU command; @folder takes what must be made for it. The fds are connected sockets."""
        options = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none",
                   "-M", self.machine, "-accel", self.accelerator, "-cpu", self.cpu,
                   "-smp", str(self.cpus), "-m", str(self.memory),
                   "-chardev", f"socket,id=serial0,fd={serial_fd}", "-serial", "chardev:serial0",
                   "-chardev", f"socket,id=qmp0,fd={qmp_fd}", "-mon", "chardev=qmp0,mode=control",
                   "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
        if self.is_microvm:
            options += ["-global", "virtio-mmio.force-legacy=false"]
        elif self.vga:
            options += ["-vga", "std"]
        if not self.reboot:
            options += ["-no-reboot"]
        return [*options, *self._boot_options(folder), *[str(word) for word in self.devices]]

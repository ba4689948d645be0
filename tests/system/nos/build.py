"""The kernels and images that the tests boot; all are products of the Makefile and of ./nos."""
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]

# The debug build checks lock order, sleeping and memory, so it is what a test boots unless it says
# otherwise. NOS_CONFIG=clang-debug (or the like) runs the whole suite on another build.
DEFAULT_CONFIG = os.environ.get("NOS_CONFIG", "gcc-debug")


def kernel(config=None):
    """The ELF file of a configuration, e.g. gcc-release."""
    path = ROOT / "build" / (config or DEFAULT_CONFIG) / "nos.elf"
    if not path.exists():
        compiler, kind = path.parent.name.rsplit("-", 1)
        wanted = f"make CC={compiler}" + (" DEBUG=1" if kind == "debug" else "")
        raise FileNotFoundError(f"{path} is not built: {wanted}")
    return path


def make_iso(output, parameters="", config=None):
    """A hybrid ISO of a kernel with these parameters on its command line."""
    subprocess.run([ROOT / "scripts/make_iso", output, parameters, kernel(config)], check=True, cwd=ROOT)
    return output


def symbol_addresses(config=None):
    """Name to address of every symbol of a kernel, by nm."""
    lines = subprocess.run(["nm", kernel(config)], check=True, capture_output=True, text=True).stdout
    return {name: int(address, 16) for address, _, name in
            (line.split() for line in lines.splitlines() if len(line.split()) == 3)}


def gdb_symbol(addresses, config=None):
    """What gdb calls each address: "name + offset" or "name", or None where it knows nothing."""
    commands = [argument for address in addresses for argument in ("-ex", f"info symbol {address:#x}")]
    output = subprocess.run(["gdb", "-q", "-nx", "-batch", *commands, kernel(config)],
                            check=True, capture_output=True, text=True).stdout
    return [line.split(" in section")[0] if " in section" in line else None
            for line in output.splitlines()]


def make_disk(kind, output, parameters="", config=None):
    """A bootable disk image (qcow2): kind mbr (BIOS) or gpt (BIOS and UEFI)."""
    subprocess.run([ROOT / "scripts/make_disk", kind, output, parameters, kernel(config)], check=True, cwd=ROOT)
    return output


def make_gce(raw, output):
    """The archive of a raw disk image that Google Cloud's importer takes."""
    subprocess.run([ROOT / "scripts/make_gce", raw, output], check=True, cwd=ROOT)
    return output

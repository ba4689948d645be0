"""bench: every row runs and gives a number that can be one. How large they are is no test's business."""
import io
import json
import re
import subprocess
import sys

from nos import build
from nos.disk import drive, make_image

sys.path.insert(0, str(build.ROOT / "bench"))

import chart  # noqa: E402 (bench/ is a folder of programs, not a package)
import counting  # noqa: E402
import report  # noqa: E402
import rows as catalogue  # noqa: E402

ROW = re.compile(r"^(?:.*\r)?([a-z][a-z0-9_]*) ([0-9.]+) (ns|MB/s|requests/s|packets/s)$", re.M)

GROWTH_ROWS = {f"growth_{what}_{size}" for what, sizes in (
    ("switch", (10, 500)), ("create", (10, 500)), ("timer", (10, 5000)), ("expiry", (10, 5000)),
    ("trip", (1, 500)), ("connect", (1, 500)), ("cpus", (1, 2))) for size in sizes}
KERNEL_ROWS = {
    "switch_same_cpu", "switch_across_cpus", "task_create_join", "mutex_uncontended", "spinlock_uncontended",
    "mutex_contended_4", "sleep_1ms_late_median", "sleep_1ms_late_p99", "kmalloc_kfree_64", "kmalloc_kfree_1024",
    "page_alloc_free", *(f"{routine}_{size}" for routine in ("memcpy", "memset", "checksum", "crc32")
                         for size in (64, 1460, 1 << 20))}
FILE_ROWS = {"files_create", "files_stat", "files_read", "files_remove"}
SYNCED_ROWS = {"files_create_synced", "files_remove_synced"}
DIRECTORY_ROWS = {f"growth_{what}_{size}" for what in ("stat", "make") for size in (100, 5000)}
DISK_ROWS = {f"disk_read_{kind}_{count}" for kind in ("128k", "4k_random") for count in (1, 32)}
NET_ROWS = {*(f"tcp_{direction}_{count}" for direction in ("receive", "send") for count in (1, 8)),
            "tcp_round_trip_median", "tcp_round_trip_p99", "tcp_connect_close", "udp_echo_64", "ping_answered"}


def rows_of(guest, command):
    """{row: value}, all of them above nothing and below an hour or a petabyte a second."""
    output, succeeded = guest.status(command, timeout=300)
    assert succeeded, output
    rows = {name: float(value) for name, value, _ in ROW.findall(output)}
    assert rows and all(0 < value < 3.6e12 for value in rows.values()), output
    return rows


def test_every_row_of_kernel_and_growth(boot):
    rows = rows_of(boot(cpus=2), "bench -q all")
    assert rows.keys() == KERNEL_ROWS | GROWTH_ROWS
    assert rows["sleep_1ms_late_median"] <= rows["sleep_1ms_late_p99"]


def test_every_row_of_files_and_disk(boot, tmp_path):
    image = make_image(tmp_path / "disk.img", 64)
    guest = boot(cpus=2, devices=[*drive("d", image), "-device", "virtio-blk-pci,drive=d"])
    assert rows_of(guest, "bench files / 200").keys() == FILE_ROWS
    assert rows_of(guest, "bench files / 50 sync").keys() == SYNCED_ROWS
    assert rows_of(guest, "bench -q growth_files /").keys() == DIRECTORY_ROWS
    assert rows_of(guest, "bench -q disk vda").keys() == DISK_ROWS


def test_every_row_of_the_network(network, boot, tmp_path):
    """Against the peer of ./nos bench and nginx, as there."""
    folder = build.ROOT / "bench" / "linux"
    peer = tmp_path / "peer"
    subprocess.run(["gcc", "-O2", "-o", peer, folder / "peer.c", folder / "flight.c"], check=True)
    network.start(str(peer))
    network.wait_listening(7003)
    root = network.nginx()
    (root / "file").write_bytes(bytes(1 << 20))
    guest = boot(prefix=network.prefix, cpus=2, append=network.static(),
                 devices=network.nic(offload=True))
    found = {}
    for name in ("tcp", "requests", "udp", "ping"):
        found.update(rows_of(guest, f"bench -q {name} 10.77.0.1"))
    assert found.keys() == NET_ROWS
    assert rows_of(guest, "bench wget http://10.77.0.1/file /file").keys() == {"wget_to_disk"}


def test_what_cannot_be_measured(boot):
    guest = boot()
    for command, message in (("bench nonsense", "no benchmark named nonsense"), ("bench disk vdz", "vdz"),
                             ("bench files /nowhere 10", "nowhere"), ("bench tcp", "wanted: the HOST"),
                             ("bench udp 1.2.3.4", "the peer: network unreachable"),
                             ("bench growth_files", "usage: bench growth_files DIRECTORY"),
                             ("bench wget", "usage: bench wget URL PATH")):
        output, succeeded = guest.status(command)
        assert not succeeded and message in output, output
    assert "switch" in guest.run("bench")


def test_instructions_are_counted_from_mark_to_mark(boot, tmp_path):
    """On two CPUs that run at once: what each operation takes, and in which functions."""
    out = tmp_path / "count"
    guest = boot(cpus=2, devices=list(counting.arguments(out, has_profile=True)))
    rows = rows_of(guest, "bench files / 200")
    found = counting.by_row(rows, out)
    assert found.keys() == FILE_ROWS
    symbols = counting.Symbols.of_program(build.kernel())
    for name, (total, blocks) in found.items():
        assert 200 * 500 < total < 200 * 500000, name
        # Blocks begin before the mark that they contain, and on other CPUs at any time.
        assert abs(sum(blocks.values()) - total) < total / 10, name
    functions = counting.functions(found["files_stat"][1], symbols)
    assert "vfs_stat" in dict(functions)
    text = counting.profile_text("files_stat, nos", *found["files_stat"], symbols, 200)
    assert text.startswith("files_stat, nos: ") and functions[0][0] in text


# ---- the tool beside it: what it makes of samples ----

def turns(*values):
    return {f"turn {number}": value for number, value in enumerate(values)}


def results(nos=2.0, linux=6.0):
    """A run of one row in ns and one in MB/s, two kinds of CPU."""
    return {"commit": "0123456", "date": "2020-01-01", "host": "2 x CPU", "qemu": "QEMU", "load": 0, "rounds": 3,
            "rounds done": 3, "quick": False, "groups": ["kernel"], "failures": [], "seconds": {"kernel": 1},
            "units": {"switch_same_cpu": "ns", "memcpy_64": "MB/s"},
            "samples": {"switch_same_cpu": {"Linux max": turns(9, linux, 7), "nos max": turns(nos, nos, nos),
                                            "Linux qemu64": turns(linux, linux, 99),
                                            "nos qemu64": turns(nos, 2 * nos, nos / 2)},
                        "memcpy_64": {"Linux max": turns(100, 50, 400), "nos max": turns(300),
                                      "Linux qemu64": turns(60), "nos qemu64": turns(200)}},
            "counts": {"memcpy_64": {"Linux": [2000, "MB/s"], "nos": [1000, "MB/s"]}}}


def whole_results(linux=6.0):
    """Nothing has failed, nothing was counted."""
    run = results(linux=linux)
    for row in catalogue.ROWS:
        run["samples"].setdefault(row.name, {"Linux max": turns(1), "nos max": turns(1)})
        run["units"].setdefault(row.name, "ns")
    run["counts"] = {}
    return run


def test_the_table():
    lines = {line.row.name: line for line in report.lines(results())}
    assert lines.keys() == {row.name for row in catalogue.ROWS if row.group == "kernel"}
    switch, memcpy = lines["switch_same_cpu"], lines["memcpy_64"]
    assert switch.values["Linux"] == (6, 6, 99), "the kind of CPU that is faster for Linux"
    assert switch.values["nos"] == (2, 1, 4) and switch.ratio == 3 and switch.verdict() == ""
    assert memcpy.values["nos"] == (300, 300, 300) and memcpy.ratio == 3
    assert memcpy.counts == {"Linux": 32, "nos": 64} and memcpy.verdict() == "missed by instructions"
    text = report.markdown(results())
    assert "| task switch by semaphore, same CPU | ns | 6.00 | 2.00 | 3.00 |" in text
    assert "failed" in text  # the rows that nobody has measured
    assert chart.draw(report.lines(results()), "a <title>").count("<rect") == 3  # two bars and the ground


def test_a_ratio_is_of_what_was_measured_in_turn():
    """A host that is slower for a while is slower for both: 3 times in each turn is 3 times."""
    run = results()
    run["samples"]["switch_same_cpu"] = {"Linux max": turns(3, 6, 30, 60), "nos max": turns(1, 2, 10, 20)}
    switch = next(line for line in report.lines(run) if line.row.name == "switch_same_cpu")
    assert switch.ratio == 3 and switch.values["Linux"] == (18, 3, 60)
    del run["samples"]["switch_same_cpu"]["nos max"]["turn 3"]
    switch = next(line for line in report.lines(run) if line.row.name == "switch_same_cpu")
    assert switch.ratio == 3


def test_kinds_of_cpu_that_suit_linux_alike_count_both():
    run = results()
    run["samples"]["switch_same_cpu"] = {"Linux max": turns(21), "nos max": turns(7), "Linux qemu64": turns(20),
                                         "nos qemu64": turns(4)}
    switch = next(line for line in report.lines(run) if line.row.name == "switch_same_cpu")
    assert switch.ratio == 4 and switch.values["Linux"] == (20.5, 20, 21)


def test_growth_is_of_one_turn():
    run = results()
    run["groups"] = ["growth"]
    for size, values in ((10, (100, 200, 400)), (10000, (150, 300, 600))):
        run["samples"][f"growth_switch_{size}"] = {"Linux qemu64": turns(*values), "nos qemu64": turns(*values)}
    growth = next(line for line in report.growth_lines(run) if line.growth.name == "growth_switch")
    assert growth.factors == {"Linux": 1.5, "nos": 1.5} and growth.values["nos"] == [200, 300]
    assert growth.verdict() == ""


def test_two_runs_are_compared():
    out = io.StringIO()
    assert report.compare(whole_results(), whole_results(linux=7.0), out)
    assert not report.compare(whole_results(), whole_results(linux=7.5), out)
    assert re.search(r"task switch.* 25 %.*more than 20 %", out.getvalue())


def test_two_runs_are_compared_by_instructions_too():
    first, second = whole_results(), whole_results()
    for run in (first, second):
        run["counts"]["switch_same_cpu"] = {"Linux": [300, "ns"], "nos": [100, "ns"]}
    assert report.compare(first, second, io.StringIO())
    second["counts"]["switch_same_cpu"]["nos"] = [130, "ns"]
    assert not report.compare(first, second, io.StringIO())


def test_a_row_that_is_apart_by_the_clock_alone_is_named():
    out = io.StringIO()
    first, second = whole_results(), whole_results(linux=60.0)
    for run in (first, second):
        run["counts"]["switch_same_cpu"] = {"Linux": [300, "ns"], "nos": [100, "ns"]}
    assert report.compare(first, second, out)
    assert "more than 20 % by the clock only" in out.getvalue() and "0 disagree, 1 more" in out.getvalue()


def test_the_docs_have_a_place_for_the_table():
    text = (build.ROOT / "docs" / "PERFORMANCE.md").read_text()
    begin, end = "<!-- by ./nos bench --docs -->", "<!-- end -->"
    new = report.replace_between(text, begin, end, "table\n")
    assert f"{begin}\ntable\n{end}" in new
    assert report.replace_between(new, begin, end, "table\n") == new


def test_an_earlier_run_is_reported_again(tmp_path):
    (tmp_path / "results.json").write_text(json.dumps(results()))
    command = [sys.executable, str(build.ROOT / "bench" / "run.py"), "--from", str(tmp_path)]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert shown.returncode == 0 and "task switch by semaphore, same CPU" in shown.stdout, shown
    assert (tmp_path / "chart.svg").read_text().startswith("<svg")
    assert (tmp_path / "table.md").exists() and (tmp_path / "table.txt").exists()

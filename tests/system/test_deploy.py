"""deploy/: every file is what the service it is for would accept, as far as that can be known here."""
import os
import re
import shlex
import shutil
import stat
import subprocess
import time

import pytest
import yaml

from nos import build

DEPLOY = build.ROOT / "deploy"
PAGES = sorted(path.parent for path in DEPLOY.glob("*/README.md"))
HCL = sorted([*DEPLOY.glob("terraform/*.tf"), *DEPLOY.glob("nomad/*.hcl")])


@pytest.mark.parametrize("folder", PAGES, ids=lambda folder: folder.name)
def test_each_has_its_page(folder):
    page = (folder / "README.md").read_text()
    for part in ("*What you get.*", "*What it costs you in security.*", "*See it alive.*", "*Remove it.*"):
        assert page.count(part) == 1, part
    assert f"`deploy/{folder.name}/`" in (DEPLOY / "README.md").read_text()
    for named in re.findall(r"\bdeploy/[\w./-]+\w", page):
        assert (build.ROOT / named).exists(), named


def test_every_folder_has_a_page():
    assert {path.name for path in DEPLOY.iterdir() if path.is_dir()} == {path.name for path in PAGES}


def test_libvirt_takes_the_domain():
    done = subprocess.run(["virt-xml-validate", DEPLOY / "libvirt/nos.xml", "domain"], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_kubevirt_machine():
    path = DEPLOY / "kubevirt/nos.yaml"
    subprocess.run(["yamllint", "--strict", "-d", "{extends: default, rules: {line-length: {max: 100}}}", path],
                   check=True)
    machine, policy = yaml.safe_load_all(path.read_text())
    assert (machine["apiVersion"], machine["kind"]) == ("kubevirt.io/v1", "VirtualMachine")
    spec = machine["spec"]["template"]["spec"]
    devices = spec["domain"]["devices"]
    assert {disk["name"] for disk in devices["disks"]} == {volume["name"] for volume in spec["volumes"]}
    assert {nic["name"] for nic in devices["interfaces"]} == {network["name"] for network in spec["networks"]}
    assert all(disk["disk"]["bus"] == "virtio" for disk in devices["disks"])
    labels = machine["spec"]["template"]["metadata"]["labels"]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    assert policy["spec"]["policyTypes"] == ["Ingress"] and "ingress" not in policy["spec"]  # nobody
    image_path = spec["volumes"][0]["containerDisk"]["path"]
    assert re.search(rf"^COPY --chown=107:107 nos\.qcow2 {image_path}$",
                     (DEPLOY / "kubevirt/Containerfile").read_text(), re.MULTILINE)


# ---- HCL, as `terraform fmt` lays it out ----

ATTRIBUTE = re.compile(r'^( *)("[^"]+"|[\w-]+)( *)= (\S.*)$')


def layout_problems(text):
    """What `terraform fmt` would change: indentation by depth, and the = of neighbours in one column."""
    depth, open_brackets, neighbours = 0, 0, []
    for number, line in enumerate(text.splitlines() + [""], 1):
        code = re.sub(r'"(?:[^"\\]|\\.)*"', '""', line.split(" #")[0])
        code = "" if code.lstrip().startswith("#") else code
        if line != line.rstrip() or "\t" in line:
            yield f"{number}: blanks at the end, or a tab"
        opened, closed = (sum(map(code.count, brackets)) for brackets in ("{[(", "}])"))
        leading = code.strip()[:1] != "" and code.strip()[0] in "}])"
        if line.strip() and len(line) - len(line.lstrip()) != 2 * (depth - leading):
            yield f"{number}: not indented by {2 * (depth - leading)}"
        open_brackets += opened - closed
        depth += (opened > closed) - (closed > opened)  # several on a line count once
        match = ATTRIBUTE.match(line)
        if match and opened == closed:
            neighbours.append((number, match))
            continue
        if match and neighbours:  # the first line of a block still lines up with those before it
            neighbours.append((number, match))
        columns = {line_match.end(3) for _, line_match in neighbours}
        if len(columns) > 1:
            yield f"{neighbours[0][0]}: the = are not in one column"
        tight = [line_match for _, line_match in neighbours if len(line_match[3]) == 1]
        if neighbours and not tight:
            yield f"{neighbours[0][0]}: the = are too far to the right"
        neighbours = []
    if depth != 0 or open_brackets != 0:
        yield "brackets do not match"


@pytest.mark.parametrize("path", HCL, ids=lambda path: path.name)
def test_hcl_layout(path):
    assert not list(layout_problems(path.read_text()))
    assert path.read_text().endswith("}\n")


def test_layout_check_sees_what_is_wrong():
    for wrong in ("a {\n   b = 1\n}\n", "a {\n  b = 1\n  cc = 2\n}\n", "a {\n  b  = 1\n}\n", "a {\n", "a {\n\tb = 1\n}\n"):
        assert list(layout_problems(wrong)), wrong


def test_terraform_names_what_it_declares():
    text = "".join(path.read_text() for path in DEPLOY.glob("terraform/*.tf"))
    declared = set(re.findall(r'^variable "(\w+)"', text, re.MULTILINE))
    assert set(re.findall(r"\bvar\.(\w+)", text)) == declared
    resources = set(re.findall(r'^resource "(\w+)" "(\w+)"', text, re.MULTILINE))
    assert set(re.findall(r"\b(google_\w+)\.(\w+)\.", text)) <= resources
    assert re.search(r'variable "allow" \{.*?default     = \{\}', text, re.DOTALL)  # closed unless asked


def test_nomad_options_boot(tmp_path):
    """The driver's own options come first, then those of the job."""
    job = (DEPLOY / "nomad/nos.nomad.hcl").read_text()
    arguments = re.findall(r'"([^"]*)"', re.search(r"args = \[(.*?)\]", job, re.DOTALL)[1])
    image = build.make_disk("mbr", tmp_path / "nos.qcow2")
    command = ["qemu-system-x86_64", "-machine", "type=pc,accel=tcg", "-name", "nos", "-m", "256M",
               "-drive", f"file={image},if=virtio", "-nographic", *arguments]
    with open(tmp_path / "out", "wb") as out:
        guest = subprocess.Popen(["timeout", "-k", "1", "60", *command], stdin=subprocess.PIPE, stdout=out,
                                 stderr=subprocess.STDOUT)
        guest.communicate(b"\r" * 3 + b"poweroff\r" if wait_for(tmp_path / "out", rb"\n\$ ") else b"")
    assert guest.returncode == 0, (tmp_path / "out").read_text(errors="replace")[-2000:]


def wait_for(path, pattern):
    end = time.monotonic() + 50
    while time.monotonic() < end:
        if re.search(pattern, path.read_bytes()):
            return True
        time.sleep(0.1)  # a file tells nobody that it has grown
    return False


# ---- gcloud, played by a script that keeps what it was asked ----

GCLOUD = """#!/bin/sh
echo "$*" >> "$LOG"
case "$*" in
"config get-value project") echo a-project ;;
*" describe "*) grep -qx "$2" "$EXISTS" 2>/dev/null && exit 0; exit 1 ;;
esac
"""


@pytest.fixture
def gcloud(tmp_path):
    """Run a script of deploy/gcloud; returns the commands that would have changed something."""
    fake = tmp_path / "gcloud"
    fake.write_text(GCLOUD)
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    tree = tmp_path / "tree"
    (tree / "build").mkdir(parents=True)
    (tree / "build/nos-gce.tar.gz").touch()
    shutil.copytree(DEPLOY, tree / "deploy")  # a link would lead to the real build/

    def run(script, *arguments, exists="", **environment):
        (tmp_path / "exists").write_text(exists)
        log = tmp_path / "log"
        log.write_text("")
        env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "LOG": str(log),
               "EXISTS": str(tmp_path / "exists"), **environment}
        subprocess.run(["sh", "-eu", f"{tree}/deploy/gcloud/{script}", *arguments], check=True, env=env, cwd=tree)
        lines = map(shlex.split, log.read_text().splitlines())
        return [line for line in lines if "describe" not in line and line[0] != "config"]

    return run


def test_gcloud_create_lets_nobody_in(gcloud):
    done = gcloud("create")
    assert [(words[:3] if words[0] == "compute" else words[:2]) for words in done] == [
        ["storage", "buckets"], ["storage", "cp"], ["compute", "images", "create"],
        ["compute", "networks", "create"], ["compute", "instance-templates", "create"],
        ["compute", "instances", "create"]]
    assert "--public-access-prevention" in done[0]
    assert "--metadata=serial-port-enable=TRUE" in done[4] and "--no-service-account" in done[4]
    assert all("--project=a-project" in words for words in done if words[0] == "compute")


def test_gcloud_create_gives_the_attribute(gcloud):
    template = gcloud("create", NOS_ATTRIBUTE="FILE")[4]
    assert "--metadata-from-file=nos=FILE" in template and "--metadata=serial-port-enable=TRUE" in template


def test_gcloud_create_opens_what_is_asked(gcloud):
    rules = [words for words in gcloud("create", ALLOW_FROM="203.0.113.7/32", ALLOW="icmp,udp:9000")
             if "firewall-rules" in words]
    assert len(rules) == 1
    assert {"--rules=icmp,udp:9000", "--source-ranges=203.0.113.7/32", "--target-tags=nos"} <= set(rules[0])


EVERYTHING = "images\nnetworks\ninstance-templates\ninstances\nfirewall-rules\nbuckets\n"


def test_gcloud_create_twice_and_remove(gcloud):
    assert gcloud("create", exists=EVERYTHING) == []
    assert gcloud("remove") == []
    removed = gcloud("remove", exists=EVERYTHING)
    assert [words[1] for words in removed[:-1]] == ["instances", "instance-templates", "firewall-rules", "networks",
                                                    "images"]
    assert all("--quiet" in words for words in removed[:-1])
    assert removed[-1] == ["storage", "rm", "--recursive", "gs://a-project-nos-images"]


def test_gcloud_console(gcloud):
    assert gcloud("console")[0][:3] == ["compute", "connect-to-serial-port", "nos"]
    assert gcloud("console", "--log")[0][:4] == ["compute", "instances", "get-serial-port-output", "nos"]

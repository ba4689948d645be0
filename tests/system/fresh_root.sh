#!/bin/sh
# fresh_root.sh [FOLDER] - show that `./nos run` lacks nothing on a bare machine.
#
# Makes a minimal Debian 12 (debootstrap, variant minbase: what every Debian has and nothing more)
# in FOLDER, clones this repository into it, types `./nos run` inside by chroot (and again with
# --iso, --uefi and --machine microvm), waits for the prompt, types commands, and leaves by
# Ctrl-A X. Run it by hand, as root, and before a release;
# it downloads some 300 MB of packages from the mirror this machine itself uses.
set -eu
cd "$(dirname "$0")/../.."

[ "$(id -u)" = 0 ] || { echo "fresh_root.sh: debootstrap and chroot need root" >&2; exit 2; }
apt-get -o DPkg::Lock::Timeout=300 install -y -q --no-install-recommends debootstrap python3-pexpect git

root=${1:-$(mktemp -d /var/tmp/nos-fresh-root.XXXXXX)}
mkdir -p "$root"
root=$(cd "$root" && pwd)

leave() {
    for mounted in dev proc; do
        umount -R "$root/$mounted" 2>/dev/null || true
    done
    echo "fresh_root.sh: the root is kept in $root; remove it by: rm -rf $root"
}
trap leave EXIT

# The mirror and the proxy are this machine's, so that it works behind whatever this one is behind.
mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' | awk '$2 == "bookworm" { print $1; exit }')
[ -f "$root/etc/debian_version" ] || debootstrap --variant=minbase bookworm "$root" "${mirror:-http://deb.debian.org/debian}"
cp -r /etc/apt/apt.conf.d /etc/apt/sources.list* "$root/etc/apt/"
cp /etc/resolv.conf "$root/etc/"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --make-rslave "$root/dev"

rm -rf "$root/nos"
git clone -q . "$root/nos"

/usr/bin/python3 - "$root" <<'EOF'
import sys

import pexpect

root = sys.argv[1]
for options in ("", "--smp 8 --iso", "--uefi", "--machine microvm"):
    run = pexpect.spawn("chroot", [root, "/bin/sh", "-c", "cd /nos && exec ./nos run " + options],
                        encoding="latin1", timeout=1800, echo=False)
    run.logfile_read = sys.stdout
    run.expect(r"[\r\n]\$ $")
    for line in ("version", "cpu", "memusage"):
        run.send(line + "\r")
        run.expect(r"[\r\n]\$ $", timeout=60)
    run.send("\x01x")
    run.expect(pexpect.EOF, timeout=60)
EOF
echo
echo "fresh_root.sh: ./nos run reached its prompt on a bare Debian 12, answered, and left by Ctrl-A X"

# need GROUP... - see to it that the packages of those groups (scripts/packages) are installed.
#
# As root they are installed by apt; otherwise through sudo, after the command has been printed.
# With --no-install (NO_INSTALL set) the command is printed and that is the end of it.

# is_installed PACKAGE
is_installed() {
    dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

# choose A|B|C - print the first of the alternatives that is installed, else the first that apt
# knows, else the first.
choose() {
    for choice in $(echo "$1" | tr '|' ' '); do
        ! is_installed "$choice" || { echo "$choice"; return; }
    done
    for choice in $(echo "$1" | tr '|' ' '); do
        ! apt-cache show "$choice" >/dev/null 2>&1 || { echo "$choice"; return; }
    done
    echo "${1%%|*}"
}

# packages_of GROUP... - print the lines of scripts/packages for the groups, once each.
packages_of() {
    for group in "$@"; do
        sed -n "s/^$group  *//p" scripts/packages
    done | sort -u
}

# missing GROUP... - print what is not installed.
missing() {
    for entry in $(packages_of "$@"); do
        package=$(choose "$entry")
        is_installed "$package" || echo "$package"
    done
}

need() {
    command -v dpkg-query >/dev/null || {
        [ -n "${PACKAGES_TOLD:-}" ] || say "note: not a Debian system, so packages are not looked after"
        PACKAGES_TOLD=1
        return 0
    }
    packages=$(missing "$@" | tr '\n' ' ')
    [ -n "$packages" ] || return 0
    install="apt-get install -y --no-install-recommends ${packages% }"

    if [ -n "$NO_INSTALL" ]; then
        say "missing packages; install them with:"
        say "  $install"
        exit 1
    fi
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif command -v sudo >/dev/null; then
        as_root=sudo
    else
        fail "missing packages, and no sudo to install them with; as root run: $install"
    fi
    say "installing what is missing: ${as_root:+$as_root }$install"
    install_packages "$packages"
}

# A fresh machine, or one that was not updated for long, first needs the lists of packages.
install_packages() {
    options="-o DPkg::Lock::Timeout=300 -q"
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    # shellcheck disable=SC2086 # both are lists of words
    $as_root apt-get $options install -y --no-install-recommends $1 && return
    say "that failed; once more with fresh package lists"
    $as_root apt-get $options update || true
    # shellcheck disable=SC2086
    $as_root apt-get $options install -y --no-install-recommends $(missing_again $1) ||
        fail "apt could not install: $1"
}

# Alternatives may resolve otherwise once apt knows the packages of this release.
missing_again() {
    for package in "$@"; do
        entry=$(sed -n "s/^[a-z]*  *//p" scripts/packages | grep -m 1 -E "(^|\|)$package(\||$)" || echo "$package")
        choose "$entry"
    done | sort -u
}

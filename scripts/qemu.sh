# The accelerator QEMU can really use here. /dev/kvm alone proves nothing: inside many virtual
# machines it exists and does not work, so the CPU must have the feature too (F5).

kvm_works() {
    grep -qwE 'vmx|svm' /proc/cpuinfo && [ -w /dev/kvm ]
}

accelerator_reason() {
    if ! grep -qwE 'vmx|svm' /proc/cpuinfo; then
        echo "tcg: this CPU shows neither vmx nor svm, so there is no KVM"
    elif [ ! -e /dev/kvm ]; then
        echo "tcg: there is no /dev/kvm (is the kvm module loaded?)"
    elif [ ! -w /dev/kvm ]; then
        echo "tcg: /dev/kvm is not writable by $(id -un) (join the group kvm)"
    else
        echo "kvm"
    fi
}

accelerator_options() {
    if kvm_works; then
        echo "-accel kvm -cpu host"
    else
        echo "-accel tcg,thread=multi -cpu max"
    fi
}

is_port_used() {
    cat "/proc/net/$1" "/proc/net/${1}6" 2>/dev/null | grep -qi ":$(printf "%04X" "$2") "
}

# take_port udp|tcp FROM FD - set port to the first from there on that nobody listens on, and keep
# others who ask here off it for as long as file descriptor FD (one digit) is open: QEMU inherits it
# and binds the port later.
take_port() {
    port=$2
    while :; do
        eval "exec $3>>/tmp/nos-$(id -u)-$1-$port.lock"
        flock -n "$3" && ! is_port_used "$1" "$port" && return
        port=$((port + 1))
        [ "$port" -le 65535 ] || fail "no $1 port from $2 on is free"
    done
}

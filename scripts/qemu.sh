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

# free_port udp|tcp FROM - print the first port from there on that nobody here listens on.
free_port() {
    port=$2
    while cat "/proc/net/$1" "/proc/net/${1}6" 2>/dev/null | grep -qi ":$(printf "%04X" "$port") "; do
        port=$((port + 1))
    done
    echo "$port"
}

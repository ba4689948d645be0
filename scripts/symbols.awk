# Reads `nm -n` of the kernel and prints the table of kernel/symbols.h as assembly.
# Only functions (t, T, w, W) linked at the kernel's own high address are kept. Of several names
# for one address the global one is taken, then the first by name, so that the choice is stable.
# The linker script's kernel_text_end closes the last function: an entry without a name.

BEGIN {
    base = "ffff800001000000"
    count = 0
}

function value_of(hex,    i, v) {
    v = 0
    for (i = 1; i <= length(hex); i++)
        v = v * 16 + index("0123456789abcdef", substr(hex, i, 1)) - 1
    return v
}

function is_better(type, name, old_type, old_name) {
    if ((type == "T") != (old_type == "T"))
        return type == "T"
    return name < old_name
}

$3 ~ /^kernel_text_(start|end)$/ {
    if ($3 == "kernel_text_end")
        text_end = $1
    next
}

$2 ~ /^[tTwW]$/ && substr($1, 1, 8) == "ffff8000" && $1 >= base && $3 !~ /^(\.L|__start_|__stop_)/ {
    if (text_end != "")
        next
    if (count > 0 && address[count] == $1) {
        if (is_better($2, $3, type[count], name[count])) {
            type[count] = $2
            name[count] = $3
        }
        next
    }
    count++
    address[count] = $1
    type[count] = $2
    name[count] = $3
}

END {
    if (text_end != "" && count > 0 && text_end > address[count]) {
        count++
        address[count] = text_end
    }
    print "    .section .rodata.kernel_symbols, \"a\""
    print "    .balign 8"
    print "    .globl kernel_symbol_base"
    print "kernel_symbol_base:"
    print "    .quad 0x" base
    print "    .globl kernel_symbol_count"
    print "kernel_symbol_count:"
    print "    .long " count
    print "    .globl kernel_symbols"
    print "kernel_symbols:"
    offset = 0
    for (i = 1; i <= count; i++) {
        printf "    .long %d, %d\n", value_of(substr(address[i], 9)) - value_of(substr(base, 9)), offset
        offset += length(name[i]) + 1
    }
    print "    .globl kernel_symbol_names"
    print "kernel_symbol_names:"
    for (i = 1; i <= count; i++)
        printf "    .asciz \"%s\"\n", name[i]
}

# Reads `nm -n` of the kernel, linked with its relocations, and `readelf --relocs --wide` of the same.
# Fails when something that stays refers to something that is given back after the boot: what is
# marked __init (kernel/init.h) and the boot tests, which lie between the symbols kernel_init_*.
#
# Allowed are: the hooks (their functions run during the boot, their names are read later), the
# registry of boot tests, the log (which moves out in time), kernel_main() itself, and everything that names the bounds. Constants that
# are relative are the jump tables and fix-ups of such code itself. Of the per-CPU template only
# addresses are used.

$3 ~ /^kernel_init_.*_start$/ { start[$3] = $1 }
$3 ~ /^kernel_init_.*_end$/ { end[substr($3, 1, length($3) - 3) "start"] = $1 }
$3 ~ /^percpu_template_/ { template[$3] = $1 }
NF == 3 && $2 ~ /^[a-zA-Z]$/ { count++; address[count] = $1; name[count] = $3; next }

/^Relocation section/ { section = $3; next }

# offset info type value symbol [+ addend]
length($1) != 16 || $3 !~ /^R_X86_64_/ { next }
$5 ~ /^(kernel|percpu_template)_(.*_)?(start|end)$/ || section ~ /registry_boot_test/ { next }
section ~ /\.rodata/ && $3 == "R_X86_64_PC32" { next }

function is_init(a,    s) {
    for (s in start)
        if (a >= start[s] && a < end[s])
            return !(a >= template["percpu_template_start"] && a < template["percpu_template_end"])
    return 0
}

function symbol_at(a,    i, found) {
    for (i = 1; i <= count && address[i] <= a; i++)
        found = i
    return name[found]
}

substr($5, 1, 6) == ".init." || is_init($4) {
    target = $5
    source = symbol_at($1)
    if (!is_init($1) && $1 >= "ffff800000000000" && source !~ /_hook$|^fault_fixup|^log_(records|text)$/ && source != "kernel_main") {
        printf "link: %s refers to %s%s, which is given back after the boot\n", source, target, \
            $7 == "" ? "" : " + " $7 > "/dev/stderr"
        failures++
    }
}

END { exit failures > 0 }

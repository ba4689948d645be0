/*
 * QEMU before 8.1 leaves memory barriers out when its virtual CPUs take turns in one thread of the
 * host, as one CPU does always and several do with -icount or thread=single: it leaves out MFENCE,
 * and LOCK prefixes too, since no other CPU could see the difference. Its devices can; they are
 * threads. So the store that asks for an interrupt when another buffer has been used was still in
 * the host CPU's store buffer when the buffers used so far were looked at, and the device, which
 * used one just then, saw no wish for an interrupt. Seen with virtio-blk: 16 requests done, no
 * interrupt, and the disk waited for its deadline of 30 s; once in some 100,000 requests.
 *
 * QEMU 8.1 (commit c914d46d0a) keeps barriers. Neither its version nor whether CPUs take turns can
 * be told from inside, so every CPU that QEMU emulates has another barrier: INVLPG, for page 0
 * where nothing is mapped. The emulator takes a lock for it, with an atomic exchange. It costs 0.14
 * microseconds among several CPUs and 0.25 with one; PAUSE, which leaves the emulator's loop and
 * takes the lock of all devices, 0.16 to 0.6, and hands the turn to another CPU.
 */
#include "arch/io.h"
#include "arch/x86_64/cpu_features.h"
#include "kernel/init.h"

bool emulator_may_drop_barriers;

static int emulated_barrier_init(void)
{
    emulator_may_drop_barriers = cpu_features.is_tcg;
    return 0;
}
INIT_HOOK(emulated_barrier_init, INIT_SMP);

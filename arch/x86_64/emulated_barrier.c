/*
 * QEMU before 8.1 emulates a machine of one CPU without memory barriers: it leaves MFENCE out, and
 * LOCK prefixes too, since there is no other CPU that could see the difference. Its devices can;
 * they are threads. So the store that asks for an interrupt when another buffer has been used was
 * still in the host CPU's store buffer when the buffers used so far were looked at, and the device,
 * which used one just then, saw no wish for an interrupt. Seen with virtio-blk: 16 requests done,
 * no interrupt, and the disk waited for its deadline of 30 s; once in some 100,000 requests.
 *
 * PAUSE leaves the emulator's loop there, which takes locks on its way, and so waits for the store
 * buffer; it costs a microsecond. QEMU 8.1 (commit c914d46d0a) keeps barriers; which version it is
 * cannot be told from inside.
 */
#include "arch/cpu.h"
#include "arch/io.h"
#include "arch/x86_64/cpu_features.h"
#include "kernel/init.h"

bool emulator_drops_barriers;

static int emulated_barrier_init(void)
{
    emulator_drops_barriers = cpu_possible_count() == 1 && cpu_features.is_tcg;
    return 0;
}
INIT_HOOK(emulated_barrier_init, INIT_SMP);

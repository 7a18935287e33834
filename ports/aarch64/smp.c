/* SPDX-License-Identifier: BSD-2-Clause */
/* The other CPUs: switched on by PSCI at their first use, asleep between functions. */
#include "internal.h"

#define PSCI_CPU_ON 0xc4000003u
#define PSCI_AFFINITY_INFO 0xc4000004u

enum { CPU_OFF, CPU_RUNS, CPU_IDLE, CPU_CLAIMED };

_Static_assert(BERTH_PORT_MAX_SLOTS == BOARD_MAX_CPUS, "a slot is a CPU");

struct berth_a64_cpu berth_a64_cpus[BERTH_PORT_MAX_SLOTS];

static struct berth_error errors[BERTH_PORT_MAX_SLOTS];
static uint32_t online;
static unsigned int nr_cpus = 1;
static bool uses_smc;

static int64_t psci(uint64_t function, uint64_t arg0, uint64_t arg1, uint64_t arg2)
{
	register uint64_t x0 __asm__("x0") = function;
	register uint64_t x1 __asm__("x1") = arg0;
	register uint64_t x2 __asm__("x2") = arg1;
	register uint64_t x3 __asm__("x3") = arg2;

	if (uses_smc)
		__asm__ volatile("smc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"memory");
	else
		__asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"memory");
	return (int64_t)x0;
}

void berth_a64_smp_init(unsigned int boot_el)
{
	online = 1;
	/* Who starts at EL3 has nobody below to ask; at EL2 HVC would be a call of itself. */
	if (boot_el >= 3)
		return;
	uses_smc = boot_el == 2;
	/* QEMU numbers CPUs by affinity level 0, in clusters of 16. */
	while (nr_cpus < BERTH_PORT_MAX_SLOTS && psci(PSCI_AFFINITY_INFO, nr_cpus, 0, 0) >= 0)
		nr_cpus++;
}

/* From boot.S, on a CPU that was switched on: its slot is set, interrupts are masked. */
void berth_a64_secondary(void)
{
	struct berth_a64_cpu *cpu = this_cpu();

	berth_a64_timer_init_cpu();
	berth_a64_gic_init_cpu();
	berth_a64_mmu_adopt();
	__atomic_fetch_or(&online, 1u << berth_port_slot(), __ATOMIC_SEQ_CST);
	berth_port_irq_restore(0);
	for (;;) {
		if (__atomic_load_n(&cpu->state, __ATOMIC_ACQUIRE) == CPU_RUNS) {
			cpu->fn(cpu->arg);
			__atomic_store_n(&cpu->state, CPU_IDLE, __ATOMIC_RELEASE);
			berth_port_wake(&cpu->state);
		}
		berth_port_wait(&cpu->state, CPU_IDLE, UINT64_MAX);
		berth_port_relax();
	}
}

unsigned int berth_cpu_count(void)
{
	return nr_cpus;
}

/* The tables that it begins with stay until it is online, and is told when they change. */
static bool switch_on(unsigned int cpu)
{
	bool is_on;

	berth_a64_mmu_hold();
	/* It reads this without caches. */
	berth_port_cache_clean((uintptr_t)&berth_a64_ttbr0, sizeof(berth_a64_ttbr0));
	is_on = !psci(PSCI_CPU_ON, cpu, (uintptr_t)berth_a64_secondary_entry, cpu);
	while (is_on && !(berth_a64_cpus_online() & 1u << cpu))
		berth_port_relax();
	berth_a64_mmu_release();
	return is_on;
}

int berth_cpu_start(unsigned int cpu, void (*fn)(void *), void *arg)
{
	struct berth_a64_cpu *other;
	uint32_t state;

	if (!cpu || cpu >= nr_cpus)
		return -EINVAL;
	other = &berth_a64_cpus[cpu];
	state = __atomic_load_n(&other->state, __ATOMIC_RELAXED);
	if ((state != CPU_OFF && state != CPU_IDLE) ||
	    !__atomic_compare_exchange_n(&other->state, &state, CPU_CLAIMED, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return -EBUSY;
	other->fn = fn;
	other->arg = arg;
	__atomic_store_n(&other->state, CPU_RUNS, __ATOMIC_RELEASE);
	if (state == CPU_IDLE) {
		berth_port_wake(&other->state);
		return 0;
	}
	if (switch_on(cpu))
		return 0;
	__atomic_store_n(&other->state, CPU_OFF, __ATOMIC_RELEASE);
	return -EIO;
}

void berth_cpu_join(unsigned int cpu)
{
	if (cpu >= nr_cpus)
		return;
	while (__atomic_load_n(&berth_a64_cpus[cpu].state, __ATOMIC_ACQUIRE) == CPU_RUNS)
		berth_port_wait(&berth_a64_cpus[cpu].state, CPU_RUNS, UINT64_MAX);
}

uint32_t berth_a64_cpus_online(void)
{
	return __atomic_load_n(&online, __ATOMIC_SEQ_CST);
}

unsigned int berth_port_slots_in_use(void)
{
	return 32 - (unsigned int)__builtin_clz(berth_a64_cpus_online() | 1);
}

struct berth_error *berth_port_error(void)
{
	return &errors[berth_port_slot()];
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The other CPUs: at their first use switched on by PSCI, or called out of where boot.S has parked them;
 * asleep between functions.
 */
#include "internal.h"

#define AFFINITY 0xff00ffffffull
#define PSCI_CPU_ON 0xc4000003u
#define PSCI_AFFINITY_INFO 0xc4000004u

enum { CPU_OFF, CPU_RUNS, CPU_IDLE, CPU_CLAIMED };

_Static_assert(BERTH_PORT_MAX_SLOTS == PORT_MAX_CPUS, "a slot is a CPU");

struct berth_a64_cpu berth_a64_cpus[BERTH_PORT_MAX_SLOTS];

static struct berth_error errors[BERTH_PORT_MAX_SLOTS];
static uint32_t online;
static unsigned int nr_cpus = 1;
/* How PSCI is called; 0: it is not there, and the others wait in boot.S. */
static char psci_method;
uint64_t berth_a64_cpu_ids[BERTH_PORT_MAX_SLOTS];

/* What they wait for, without caches: an affinity, and the slot that is for it. */
extern volatile uint64_t berth_a64_called[2];
volatile uint64_t berth_a64_called[2] __attribute__((section(".data"), aligned(64)));

static int64_t psci(uint64_t function, uint64_t arg0, uint64_t arg1, uint64_t arg2)
{
	register uint64_t x0 __asm__("x0") = function;
	register uint64_t x1 __asm__("x1") = arg0;
	register uint64_t x2 __asm__("x2") = arg1;
	register uint64_t x3 __asm__("x3") = arg2;

	if (psci_method == 's')
		__asm__ volatile("smc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"memory");
	else
		__asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)::"memory");
	return (int64_t)x0;
}

void berth_a64_smp_init(void)
{
	uint64_t ids[BERTH_PORT_MAX_SLOTS], self = read_sysreg("mpidr_el1") & AFFINITY;
	unsigned int nr;

	online = 1;
	berth_a64_cpu_ids[0] = self;
	/* Who starts at EL3 has nobody below to ask. The others are in boot.S if the tree says that they spin. */
	psci_method = berth_a64_is_secure() ? 0 : berth_a64_tree_psci();
	if (!psci_method && !berth_a64_is_secure())
		return;
	nr = berth_a64_tree_cpus(ids, BERTH_PORT_MAX_SLOTS, psci_method ? NULL : "spin-table");
	for (unsigned int i = 0; i < nr && nr_cpus < BERTH_PORT_MAX_SLOTS; i++) {
		bool is_there = ids[i] != self;

		/* The tree may have more than the machine. */
		if (is_there && psci_method)
			is_there = psci(PSCI_AFFINITY_INFO, ids[i], 0, 0) >= 0;
		if (is_there)
			berth_a64_cpu_ids[nr_cpus++] = ids[i];
	}
}

/* From boot.S, on a CPU that was switched on: its slot is set, interrupts are masked. */
void berth_a64_secondary(void)
{
	struct berth_a64_cpu *cpu = this_cpu();

	berth_a64_timer_init_cpu();
	berth_a64_irq_init_cpu();
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

static bool call_up(unsigned int cpu)
{
	if (psci_method)
		return !psci(PSCI_CPU_ON, berth_a64_cpu_ids[cpu],
			     (uintptr_t)berth_a64_secondary_entry, cpu);
	berth_a64_called[1] = cpu;
	berth_port_cache_clean((uintptr_t)berth_a64_called, sizeof(berth_a64_called));
	berth_a64_called[0] = berth_a64_cpu_ids[cpu];
	berth_port_cache_clean((uintptr_t)berth_a64_called, sizeof(berth_a64_called));
	__asm__ volatile("sev" ::: "memory");
	return true;
}

/* The tables that it begins with stay until it is online, and is told when they change. */
static bool switch_on(unsigned int cpu)
{
	bool is_on;

	berth_a64_mmu_hold();
	/* It reads this without caches. */
	berth_port_cache_clean((uintptr_t)&berth_a64_ttbr0, sizeof(berth_a64_ttbr0));
	is_on = call_up(cpu);
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

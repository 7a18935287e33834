/* SPDX-License-Identifier: BSD-2-Clause */
/* The other CPUs: all begin together, and sleep until they are called. */
#include "internal.h"

#define CLINT_MSIP(hart) (4ul * (hart))

enum { CPU_OFF, CPU_RUNS, CPU_IDLE, CPU_CLAIMED };

_Static_assert(BERTH_PORT_MAX_SLOTS == BOARD_MAX_CPUS, "a slot is a CPU");

struct berth_rv_cpu berth_rv_cpus[BERTH_PORT_MAX_SLOTS];
/* In .data: they look before it is clear that .bss is. */
uint32_t berth_rv_called __attribute__((section(".data"))) = 0;

static struct berth_error errors[BERTH_PORT_MAX_SLOTS];
static uint32_t online;

static void online_cpu(void)
{
	__asm__ volatile("csrs mie, %0" ::"r"(1ul << PORT_IRQ_SOFTWARE) : "memory");
	__atomic_fetch_or(&online, 1u << berth_port_slot(), __ATOMIC_SEQ_CST);
}

static void set_msip(unsigned int cpu, uint32_t value)
{
	berth_port_write32(berth_rv_board.clint + CLINT_MSIP(cpu + BOARD_FIRST_HART), value);
}

/* Memory written before is seen by who is interrupted. */
void berth_rv_call_cpu(unsigned int cpu)
{
	berth_port_wmb();
	set_msip(cpu, 1);
}

void berth_rv_call_others(void)
{
	uint32_t cpus = __atomic_load_n(&online, __ATOMIC_SEQ_CST) & ~(1u << berth_port_slot());

	for (; cpus; cpus &= cpus - 1)
		berth_rv_call_cpu((unsigned int)__builtin_ctz(cpus));
}

/* The interrupt itself is all there is to say: it has ended a sleep. */
void berth_rv_answer(void)
{
	set_msip(berth_port_slot(), 0);
	berth_port_mb();
}

void berth_rv_cpus_init(void)
{
	berth_rv_timer_init_cpu();
	online_cpu();
}

/* From boot.S, on a CPU that was called: interrupts are masked. */
void berth_rv_secondary(void)
{
	struct berth_rv_cpu *cpu = this_cpu();

	berth_rv_answer();
	berth_rv_timer_init_cpu();
	online_cpu();
	berth_port_irq_restore(MSTATUS_MIE);
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
	return berth_rv_board.nr_cpus;
}

int berth_cpu_start(unsigned int cpu, void (*fn)(void *), void *arg)
{
	struct berth_rv_cpu *other;
	uint32_t state;

	if (!cpu || cpu >= berth_rv_board.nr_cpus)
		return -EINVAL;
	other = &berth_rv_cpus[cpu];
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
	__atomic_fetch_or(&berth_rv_called, 1u << cpu, __ATOMIC_SEQ_CST);
	berth_rv_call_cpu(cpu);
	while (!(__atomic_load_n(&online, __ATOMIC_SEQ_CST) & 1u << cpu))
		berth_port_relax();
	return 0;
}

void berth_cpu_join(unsigned int cpu)
{
	if (cpu >= berth_rv_board.nr_cpus)
		return;
	while (__atomic_load_n(&berth_rv_cpus[cpu].state, __ATOMIC_ACQUIRE) == CPU_RUNS)
		berth_port_wait(&berth_rv_cpus[cpu].state, CPU_RUNS, UINT64_MAX);
}

unsigned int berth_port_slots_in_use(void)
{
	return 32 - (unsigned int)__builtin_clz(__atomic_load_n(&online, __ATOMIC_SEQ_CST) | 1);
}

struct berth_error *berth_port_error(void)
{
	return &errors[berth_port_slot()];
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time and waiting, on the CLINT's timer of each CPU. Its comparator stands at the earlier of the
 * alarm, if this CPU asked for it, and the deadline of the wait or delay that the CPU is in.
 */
#include "internal.h"

#define CLINT_MTIMECMP(hart) (0x4000 + 8ul * (hart))
#define CLINT_MTIME 0xbff8

#define NS 1000000000ull
#define NEVER UINT64_MAX
/* Below this a delay spins. */
#define SHORT_DELAY_NS 5000

static struct {
	struct berth_rv_lock lock;
	unsigned int cpu;
	uint64_t at_ns;
} alarm = { .at_ns = NEVER };

static uint32_t waiters;

uint64_t berth_port_now(void)
{
	uint64_t ticks = berth_port_read64(berth_rv_board.clint + CLINT_MTIME);
	uint64_t hz = berth_rv_board.timer_hz;

	return ticks / hz * NS + ticks % hz * NS / hz;
}

/* The first tick that is not before @ns. */
static uint64_t to_ticks(uint64_t ns)
{
	uint64_t hz = berth_rv_board.timer_hz;

	return ns / NS * hz + (ns % NS * hz + NS - 1) / NS;
}

/* With the lock. */
static void program(void)
{
	uint64_t at = this_cpu()->deadline_ns;

	if (alarm.cpu == berth_port_slot() && alarm.at_ns < at)
		at = alarm.at_ns;
	berth_port_write64(berth_rv_board.clint + CLINT_MTIMECMP(read_csr("mhartid")),
			   at == NEVER ? NEVER : to_ticks(at));
}

static void set_deadline(uint64_t at_ns)
{
	unsigned long flags = berth_rv_lock(&alarm.lock);

	this_cpu()->deadline_ns = at_ns;
	program();
	berth_rv_unlock(&alarm.lock, flags);
}

void berth_rv_timer_init_cpu(void)
{
	set_deadline(NEVER);
	__asm__ volatile("csrs mie, %0" ::"r"(1ul << PORT_IRQ_TIMER) : "memory");
}

void berth_port_alarm(uint64_t at_ns)
{
	unsigned long flags = berth_rv_lock(&alarm.lock);

	alarm.at_ns = at_ns;
	alarm.cpu = berth_port_slot();
	program();
	berth_rv_unlock(&alarm.lock, flags);
}

void berth_rv_timer_interrupt(void)
{
	unsigned long flags = berth_rv_lock(&alarm.lock);
	uint64_t now = berth_port_now();
	bool due = alarm.cpu == berth_port_slot() && alarm.at_ns <= now;

	if (due)
		alarm.at_ns = NEVER;
	/* A deadline that has passed would interrupt for ever. */
	if (this_cpu()->deadline_ns <= now)
		this_cpu()->deadline_ns = NEVER;
	program();
	berth_rv_unlock(&alarm.lock, flags);
	if (due)
		berth_timer_handle();
}

/* Until an interrupt is pending, let through or not. */
static void sleep(void)
{
	berth_port_mb();
	__asm__ volatile("wfi" ::: "memory");
}

int berth_port_wait(const uint32_t *word, uint32_t value, uint64_t deadline_ns)
{
	unsigned long flags = berth_port_irq_save();
	int ret = 0;

	__atomic_add_fetch(&waiters, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(word, __ATOMIC_SEQ_CST) == value) {
		if (berth_port_now() >= deadline_ns) {
			ret = -ETIMEDOUT;
			break;
		}
		set_deadline(deadline_ns);
		sleep();
		/* Whatever is pending is taken between these two. */
		berth_port_irq_restore(MSTATUS_MIE);
		berth_port_irq_save();
	}
	__atomic_sub_fetch(&waiters, 1, __ATOMIC_RELAXED);
	set_deadline(NEVER);
	berth_port_irq_restore(flags);
	return ret;
}

void berth_port_wake(const uint32_t *word)
{
	(void)word;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	/* A waiter of this CPU's own was interrupted by the caller, and looks again. */
	if (__atomic_load_n(&waiters, __ATOMIC_SEQ_CST))
		berth_rv_call_others();
}

/* Sleeping saves an emulator that counts instructions the turns of a loop. */
void berth_port_delay(uint64_t ns)
{
	uint64_t now = berth_port_now(), until = now + ns < now ? NEVER : now + ns;

	while ((now = berth_port_now()) < until) {
		unsigned long flags;

		if (until - now < SHORT_DELAY_NS) {
			berth_port_relax();
			continue;
		}
		flags = berth_port_irq_save();
		set_deadline(until);
		sleep();
		/* A wait that this interrupted sets its own again. */
		set_deadline(NEVER);
		berth_port_irq_restore(flags);
	}
}

void berth_port_lock_wait(uint32_t *word, uint32_t value)
{
	(void)word;
	(void)value;
	berth_port_relax();
}

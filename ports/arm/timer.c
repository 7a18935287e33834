/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time and waiting, on the Cortex-A9's global timer. Its comparator stands at the earlier of the
 * alarm and the deadline of the wait or delay that the CPU is in.
 */
#include "internal.h"

#define COUNTER_LOW 0x00
#define COUNTER_HIGH 0x04
#define CONTROL 0x08
#define CONTROL_ENABLE (1u << 0)
#define CONTROL_COMPARE (1u << 1)
#define CONTROL_IRQ (1u << 2)
#define STATUS 0x0c
#define COMPARE_LOW 0x10
#define COMPARE_HIGH 0x14
/* Below this a delay spins. */
#define SHORT_DELAY_NS 5000

/* With interrupts away. */
static uint64_t alarm_ns = NEVER, deadline_ns = NEVER;

static uint64_t ticks(void)
{
	uint32_t high, low, again = read_reg(PORT_TIMER, COUNTER_HIGH);

	do {
		high = again;
		low = read_reg(PORT_TIMER, COUNTER_LOW);
		again = read_reg(PORT_TIMER, COUNTER_HIGH);
	} while (again != high);
	return (uint64_t)high << 32 | low;
}

uint64_t berth_port_now(void)
{
	return ticks() * BOARD_TIMER_TICK_NS;
}

/* With interrupts away. */
static void program(void)
{
	uint64_t at = alarm_ns < deadline_ns ? alarm_ns : deadline_ns, tick;

	/* The comparator's two halves change while it is off. */
	write_reg(PORT_TIMER, CONTROL, CONTROL_ENABLE);
	write_reg(PORT_TIMER, STATUS, 1);
	if (at == NEVER)
		return;
	/* The first that is not before. */
	tick = at / BOARD_TIMER_TICK_NS + !!(at % BOARD_TIMER_TICK_NS);
	write_reg(PORT_TIMER, COMPARE_LOW, (uint32_t)tick);
	write_reg(PORT_TIMER, COMPARE_HIGH, (uint32_t)(tick >> 32));
	write_reg(PORT_TIMER, CONTROL, CONTROL_ENABLE | CONTROL_COMPARE | CONTROL_IRQ);
}

static void set_deadline(uint64_t at_ns)
{
	unsigned long flags = berth_port_irq_save();

	deadline_ns = at_ns;
	program();
	berth_port_irq_restore(flags);
}

void berth_arm_timer_init(void)
{
	set_deadline(NEVER);
}

void berth_port_alarm(uint64_t at_ns)
{
	unsigned long flags = berth_port_irq_save();

	alarm_ns = at_ns;
	program();
	berth_port_irq_restore(flags);
}

void berth_arm_timer_interrupt(void)
{
	uint64_t now = berth_port_now();
	bool due = alarm_ns <= now;

	if (due)
		alarm_ns = NEVER;
	/* A deadline that has passed would interrupt for ever. */
	if (deadline_ns <= now)
		deadline_ns = NEVER;
	program();
	if (due)
		berth_timer_handle();
}

/* Ended by an interrupt, masked or not. */
static void wait_for_interrupt(void)
{
	dsb();
	__asm__ volatile("wfi" ::: "memory");
}

int berth_port_wait(const uint32_t *word, uint32_t value, uint64_t until_ns)
{
	unsigned long flags = berth_port_irq_save();
	int ret = 0;

	while (__atomic_load_n(word, __ATOMIC_SEQ_CST) == value) {
		if (berth_port_now() >= until_ns) {
			ret = -ETIMEDOUT;
			break;
		}
		set_deadline(until_ns);
		/* What arrived since the look at the word is pending, and WFI does not stop. */
		wait_for_interrupt();
		__asm__ volatile("cpsie i\n\tisb\n\tcpsid i" ::: "memory");
	}
	set_deadline(NEVER);
	berth_port_irq_restore(flags);
	return ret;
}

/* There is one CPU: who waits was interrupted by the caller, and looks again. */
void berth_port_wake(const uint32_t *word)
{
	(void)word;
}

/*
 * WFI saves an emulator that counts instructions the turns of a loop. But inside a handler the
 * controller holds back all others: there it spins.
 */
void berth_port_delay(uint64_t ns)
{
	uint64_t now = berth_port_now(), until = now + ns < now ? NEVER : now + ns;

	while ((now = berth_port_now()) < until) {
		unsigned long flags;

		if (until - now < SHORT_DELAY_NS || berth_arm_gic_is_busy()) {
			berth_port_relax();
			continue;
		}
		flags = berth_port_irq_save();
		set_deadline(until);
		wait_for_interrupt();
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

/* SPDX-License-Identifier: BSD-2-Clause */
/* The suite on ports/linux and QEMU's virt board. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <berth/qemu.h>

#include "conformance.h"

#define RAM 0x40000000ul
#define MIB 0x100000ul
#define UART 0x09000000ul
#define UART_DATA 0x00
#define UART_MASK 0x38
#define UART_CLEAR 0x44
#define UART_ID 0xfe0
#define UART_SENT 0x20u
#define IRQ (32 + 1)

static char __iomem *uart;

static void calm(void)
{
	berth_port_write32(uart + UART_CLEAR, UART_SENT);
}

static bool irq_comes(uint32_t before)
{
	int ret = 0;

	while (!ret && __atomic_load_n(&conformance_irq.count, __ATOMIC_SEQ_CST) == before)
		ret = berth_port_wait(&conformance_irq.count, before,
				      berth_port_now() + 10000000000);
	return !ret;
}

static void prepare(bool has_acknowledge)
{
	uart = berth_port_ioremap(UART, 0x1000);
	conformance_irq.irq = IRQ;
	conformance_irq.count = 0;
	conformance_irq.acknowledge = has_acknowledge ? calm : NULL;
	calm();
	berth_port_write32(uart + UART_MASK, UART_SENT);
}

static void finish(void)
{
	berth_port_irq_mask(IRQ);
	berth_port_write32(uart + UART_MASK, 0);
	calm();
	conformance_irq.acknowledge = NULL;
	berth_port_iounmap(uart);
}

/* A character that was sent raises it, until it is acknowledged. */
static void test_irq_level(void)
{
	unsigned long flags;

	prepare(true);
	CHECK_EQUAL(berth_port_irq_unmask(IRQ, true), 0);
	for (uint32_t i = 0; i < 100; i++) {
		berth_port_write32(uart + UART_DATA, 'x');
		if (!CHECK(irq_comes(i)))
			break;
	}
	berth_port_delay(1000000);
	CHECK_EQUAL(conformance_irq.count, 100);
	flags = berth_port_irq_save();
	berth_port_write32(uart + UART_DATA, 'x');
	berth_port_delay(1000000);
	CHECK_EQUAL(conformance_irq.count, 100);
	berth_port_irq_restore(flags);
	CHECK_EQUAL(conformance_irq.count, 101);
	berth_port_irq_mask(IRQ);
	berth_port_write32(uart + UART_DATA, 'x');
	berth_port_delay(1000000);
	CHECK_EQUAL(conformance_irq.count, 101);
	CHECK_EQUAL(berth_port_irq_unmask(IRQ, true), 0);
	CHECK(irq_comes(101));
	/* One that is gone before it is let in does not come. */
	flags = berth_port_irq_save();
	berth_port_write32(uart + UART_DATA, 'x');
	calm();
	berth_port_irq_restore(flags);
	berth_port_delay(1000000);
	CHECK_EQUAL(conformance_irq.count, 102);
	finish();
}

/* It comes once per rise, and one that rose while it was masked is remembered. */
static void test_irq_edge(void)
{
	prepare(false);
	CHECK_EQUAL(berth_port_irq_unmask(IRQ, false), 0);
	berth_port_delay(1000);
	conformance_irq.count = 0;
	berth_port_write32(uart + UART_DATA, 'x');
	berth_port_delay(1000000);
	CHECK_EQUAL(conformance_irq.count, 1);
	calm();
	berth_port_irq_mask(IRQ);
	berth_port_write32(uart + UART_DATA, 'x');
	calm();
	berth_port_delay(1000000);
	CHECK_EQUAL(conformance_irq.count, 1);
	CHECK_EQUAL(berth_port_irq_unmask(IRQ, false), 0);
	CHECK(irq_comes(1));
	finish();
}

static void test_irq_numbers(void)
{
	CHECK_EQUAL(-berth_port_irq_unmask(27, true), EINVAL);
	CHECK_EQUAL(-berth_port_irq_unmask(1020, true), EINVAL);
}

static const struct conformance_test own[] = {
	{ "qemu: a level triggered interrupt", test_irq_level },
	{ "qemu: an edge triggered interrupt", test_irq_edge },
	{ "qemu: interrupts of CPUs that are off are refused", test_irq_numbers },
};

static pthread_t other;

struct call {
	void (*fn)(void *);
	void *arg;
};

static void *run_call(void *arg)
{
	struct call *call = arg;

	call->fn(call->arg);
	return NULL;
}

static int run_on_other_thread(void (*fn)(void *), void *arg)
{
	static struct call call;

	call = (struct call){ fn, arg };
	return pthread_create(&other, NULL, run_call, &call);
}

static void join_other_thread(void)
{
	pthread_join(other, NULL);
}

int main(void)
{
	static const struct berth_range banks[] = { { RAM, 64 * MIB } };
	static const struct berth_range nomap[] = { { RAM + 4 * MIB + 0x5000, MIB + 0x1000 } };
	static const struct berth_qemu_config config = { .ram_size = 64 * MIB,
							 .timeout_ms = 120000 };
	const struct conformance_env env = {
		.machine = &berth_qemu,
		.config = &config,
		.banks = banks,
		.nr_banks = ARRAY_SIZE(banks),
		.nomap = nomap,
		.nr_nomap = ARRAY_SIZE(nomap),
		.registers = UART + UART_ID,
		.registers_size = 0x20,
		.registers_value = 0x11,
		.run_on_other_cpu = run_on_other_thread,
		.join_other_cpu = join_other_thread,
		.own = own,
		.nr_own = ARRAY_SIZE(own),
	};

	if (system("command -v qemu-system-aarch64 >/dev/null")) {
		printf("1..1\nok 1 - # skip no qemu-system-aarch64: script/bootstrap installs it\n");
		return 0;
	}
	/* The console is stderr; the harness reads stdout. */
	dup2(STDOUT_FILENO, STDERR_FILENO);
	return conformance_run(&env) != 0;
}

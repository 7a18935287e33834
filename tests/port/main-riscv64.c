/* SPDX-License-Identifier: BSD-2-Clause */
/* The suite on ports/riscv64, and what only that port has: on QEMU's sifive_u with any -smp. */
#include <berth/riscv64.h>

#include "conformance.h"

#define RAM 0x80000000ul
#define RAM_SIZE (256ul << 20)
#define MIB 0x100000ul
/* The PDMA's first channel, and what it reads as when it has been claimed. */
#define PDMA 0x03000000ul
#define PDMA_CONTROL 0x00
#define PDMA_NEXT_CONFIG 0x04
#define PDMA_NEXT_BYTES 0x08
#define PDMA_NEXT_DESTINATION 0x10
#define PDMA_NEXT_SOURCE 0x18
#define PDMA_DONE_IRQ 23
#define PDMA_CONFIG 0x66000000u
#define PLIC_LAST_IRQ 53

static char __iomem *pdma;

static bool irq_comes(uint32_t before)
{
	uint64_t deadline = berth_port_now() + 1000000000;
	int ret = 0;

	while (!ret && __atomic_load_n(&conformance_irq.count, __ATOMIC_SEQ_CST) == before)
		ret = berth_port_wait(&conformance_irq.count, before, deadline);
	return !ret;
}

static void calm_pdma(void)
{
	berth_port_write32(pdma + PDMA_CONTROL, 1);
}

static void copy(const unsigned char *pages)
{
	berth_port_write32(pdma + PDMA_CONTROL, 1);
	berth_port_write32(pdma + PDMA_NEXT_CONFIG, PDMA_CONFIG);
	berth_port_write64(pdma + PDMA_NEXT_BYTES, 4096);
	berth_port_write64(pdma + PDMA_NEXT_DESTINATION, conformance_phys(pages + 4096));
	berth_port_write64(pdma + PDMA_NEXT_SOURCE, conformance_phys(pages));
	berth_port_wmb();
	/* Run, with an interrupt at the end. */
	berth_port_write32(pdma + PDMA_CONTROL, 1 | 1 << 1 | 1 << 14);
}

static void start_irqs(void)
{
	pdma = berth_port_ioremap(PDMA, 0x100000);
	conformance_irq.irq = PDMA_DONE_IRQ;
	conformance_irq.count = 0;
	conformance_irq.acknowledge = calm_pdma;
}

static void test_irq(void)
{
	unsigned char *pages = conformance_pages(2);
	unsigned long flags;

	start_irqs();
	CHECK_EQUAL(berth_port_irq_unmask(PDMA_DONE_IRQ, true), 0);
	for (uint32_t i = 0; i < 100; i++) {
		pages[9] = (unsigned char)~i;
		copy(pages);
		if (!CHECK(irq_comes(i)) || !CHECK_EQUAL(pages[4096 + 9], (unsigned char)~i))
			break;
	}
	/* Held back, and then let through. */
	flags = berth_port_irq_save();
	copy(pages);
	berth_port_delay(1000000);
	CHECK_EQUAL(conformance_irq.count, 100);
	berth_port_irq_restore(flags);
	CHECK(irq_comes(100));
	berth_port_irq_mask(PDMA_DONE_IRQ);
	copy(pages);
	berth_port_delay(1000000);
	CHECK_EQUAL(conformance_irq.count, 101);
	CHECK_EQUAL(berth_port_irq_unmask(PDMA_DONE_IRQ, true), 0);
	CHECK(irq_comes(101));
	berth_port_delay(1000000);
	CHECK_EQUAL(conformance_irq.count, 102);
	berth_port_irq_mask(PDMA_DONE_IRQ);
	conformance_irq.acknowledge = NULL;
}

static void calm_and_mask(void)
{
	calm_pdma();
	berth_port_irq_mask(PDMA_DONE_IRQ);
}

/* A handler that masks its own interrupt has not lost it for ever. */
static void test_irq_masked_by_handler(void)
{
	unsigned char *pages = conformance_pages(2);

	start_irqs();
	conformance_irq.acknowledge = calm_and_mask;
	for (uint32_t i = 0; i < 10; i++) {
		CHECK_EQUAL(berth_port_irq_unmask(PDMA_DONE_IRQ, true), 0);
		copy(pages);
		if (!CHECK(irq_comes(i)))
			break;
	}
	copy(pages);
	berth_port_delay(1000000);
	CHECK_EQUAL(conformance_irq.count, 10);
	conformance_irq.acknowledge = NULL;
	calm_pdma();
}

static void test_irq_numbers(void)
{
	CHECK_EQUAL(-berth_port_irq_unmask(0, true), EINVAL);
	CHECK_EQUAL(-berth_port_irq_unmask(PLIC_LAST_IRQ + 1, true), EINVAL);
	CHECK_EQUAL(berth_port_irq_unmask(PLIC_LAST_IRQ, true), 0);
	berth_port_irq_mask(PLIC_LAST_IRQ);
}

static void test_absent(void)
{
	struct berth_port_worker *worker;

	CHECK_EQUAL(berth_port_linear.virt, berth_port_linear.phys);
	CHECK(!berth_port_ioremap(PDMA, 0));
	CHECK(!berth_port_ioremap(~0xffful, 8192));
	CHECK(!berth_port_range_reserve(4096));
	CHECK_EQUAL(berth_port_error()->reason, BERTH_REASON_MAPPING);
	CHECK(!berth_port_user_reserve(4096));
	CHECK_EQUAL(berth_port_error()->reason, BERTH_REASON_MAPPING);
	CHECK_EQUAL(-berth_port_user_protect(NULL, 4096, BERTH_ACCESS_NONE), EINVAL);
	CHECK_EQUAL(-berth_port_worker_start(&worker, NULL, NULL), ENOSYS);
	CHECK_EQUAL(berth_port_error()->reason, BERTH_REASON_CAPABILITY);
}

/* What the compiler calls functions for, of arguments that it does not know. */
static void test_bits(void)
{
	volatile uint64_t value;

	for (int bit = 0; bit < 64; bit++) {
		value = 1ull << bit;
		CHECK_EQUAL(__builtin_ctzll(value), bit);
		CHECK_EQUAL(__builtin_clzll(value), 63 - bit);
		value = ~0ull << bit;
		CHECK_EQUAL(__builtin_ctzll(value), bit);
		CHECK_EQUAL(__builtin_popcountll(value), 64 - bit);
		value = ~0ull >> bit;
		CHECK_EQUAL(__builtin_clzll(value), bit);
		CHECK_EQUAL(__builtin_popcountll(value), 64 - bit);
	}
	value = 0x0123456789abcdef;
	CHECK_EQUAL(__builtin_popcountll(value), 32);
	CHECK_EQUAL(__builtin_bswap64(value), 0xefcdab8967452301);
	CHECK_EQUAL(__builtin_bswap32((uint32_t)value), 0xefcdab89);
}

/* Less than a word at a time: each part changes alone, and what does not fit is lost. */
static void test_small_atomics(void)
{
	uint8_t bytes[5] = { 1, 2, 3, 4, 5 };
	uint16_t halves[3] = { 0x1111, 0x2222, 0x3333 }, half;

	for (unsigned int i = 0; i < ARRAY_SIZE(bytes); i++) {
		uint8_t byte = 0;

		CHECK(!__atomic_compare_exchange_n(&bytes[i], &byte, 9, false, __ATOMIC_SEQ_CST,
						   __ATOMIC_SEQ_CST));
		CHECK_EQUAL(byte, i + 1);
		CHECK(__atomic_compare_exchange_n(&bytes[i], &byte, 0xf0, false, __ATOMIC_SEQ_CST,
						  __ATOMIC_SEQ_CST));
		CHECK_EQUAL(byte, i + 1);
		CHECK_EQUAL(__atomic_exchange_n(&bytes[i], 0xff, __ATOMIC_SEQ_CST), 0xf0);
		CHECK_EQUAL(__atomic_fetch_add(&bytes[i], 3, __ATOMIC_SEQ_CST), 0xff);
		CHECK_EQUAL(__atomic_fetch_sub(&bytes[i], 4, __ATOMIC_SEQ_CST), 2);
		CHECK_EQUAL(__atomic_fetch_and(&bytes[i], 0x3c, __ATOMIC_SEQ_CST), 0xfe);
		CHECK_EQUAL(__atomic_fetch_or(&bytes[i], 0x81, __ATOMIC_SEQ_CST), 0x3c);
		CHECK_EQUAL(bytes[i], 0xbd);
		for (unsigned int j = i + 1; j < ARRAY_SIZE(bytes); j++)
			CHECK_EQUAL(bytes[j], j + 1);
	}
	half = 0x2222;
	CHECK(__atomic_compare_exchange_n(&halves[1], &half, 0xffff, false, __ATOMIC_SEQ_CST,
					  __ATOMIC_SEQ_CST));
	CHECK_EQUAL(__atomic_fetch_add(&halves[1], 2, __ATOMIC_SEQ_CST), 0xffff);
	CHECK_EQUAL(__atomic_fetch_sub(&halves[1], 2, __ATOMIC_SEQ_CST), 1);
	CHECK_EQUAL(halves[0], 0x1111);
	CHECK_EQUAL(halves[1], 0xffff);
	CHECK_EQUAL(halves[2], 0x3333);
}

static void add_bytes(void *arg)
{
	for (unsigned int i = 0; i < 20000; i++)
		__atomic_fetch_add((uint8_t *)arg, 1, __ATOMIC_SEQ_CST);
}

static void test_atomics_of_two(void)
{
	uint8_t bytes[4] __attribute__((aligned(4))) = { 0 };

	if (berth_cpu_count() < 2) {
		conformance_skip("one CPU only");
		return;
	}
	/* Two bytes of a word, a CPU each. */
	CHECK_EQUAL(berth_cpu_start(1, add_bytes, &bytes[1]), 0);
	add_bytes(&bytes[2]);
	berth_cpu_join(1);
	CHECK_EQUAL(bytes[1], 20000 % 256);
	CHECK_EQUAL(bytes[2], 20000 % 256);
	CHECK_EQUAL(bytes[0] | bytes[3], 0);
}

/* noipa: one frame for each call, and one place that it is made from. */
static __attribute__((noipa)) unsigned int deep(unsigned int more, uintptr_t *frames)
{
	unsigned int nr = more ? deep(more - 1, frames) : berth_port_backtrace(frames, 16);

	__asm__ volatile("" : "+r"(nr));
	return nr;
}

static void test_backtrace(void)
{
	uintptr_t frames[16];
	unsigned int nr = deep(3, frames);

	/* deep() four times, this, the suite's three, and the start code. */
	CHECK(nr >= 7 && nr <= 12);
	CHECK(frames[1] == frames[2] && frames[2] == frames[3]);
	CHECK(frames[3] != frames[4]);
	CHECK_EQUAL(berth_port_backtrace(frames, 1), 1);
	CHECK_EQUAL(berth_port_backtrace(frames, 0), 0);
}

static void nothing(void *arg)
{
	(void)arg;
}

static void test_cpus(void)
{
	unsigned int nr = berth_cpu_count();

	CHECK(nr >= 1 && nr <= BERTH_PORT_MAX_SLOTS);
	CHECK_EQUAL(-berth_cpu_start(0, nothing, NULL), EINVAL);
	CHECK_EQUAL(-berth_cpu_start(nr, nothing, NULL), EINVAL);
	for (unsigned int cpu = 1; cpu < nr; cpu++) {
		CHECK_EQUAL(berth_cpu_start(cpu, nothing, NULL), 0);
		berth_cpu_join(cpu);
	}
}

static const struct conformance_test own[] = {
	{ "riscv64: an interrupt of the PLIC", test_irq },
	{ "riscv64: a handler may mask its interrupt", test_irq_masked_by_handler },
	{ "riscv64: interrupts that there are", test_irq_numbers },
	{ "riscv64: what there is not is refused, with the reason", test_absent },
	{ "riscv64: bits of a word", test_bits },
	{ "riscv64: atomic operations on a part of a word", test_small_atomics },
	{ "riscv64: two CPUs change two bytes of a word", test_atomics_of_two },
	{ "riscv64: the call stack", test_backtrace },
	{ "riscv64: every CPU answers", test_cpus },
};

static int run_on_other_cpu(void (*fn)(void *), void *arg)
{
	return berth_cpu_start(1, fn, arg);
}

static void join_other_cpu(void)
{
	berth_cpu_join(1);
}

int main(void)
{
	static const struct berth_range bank = { .base = RAM, .size = RAM_SIZE };
	static const struct berth_range nomap = { .base = RAM + 64 * MIB + 0x5000,
						  .size = 3 * MIB + 0x1000 };
	/* The PLIC's first registers: priorities, of which the first is of no interrupt. */
	const struct conformance_env env = {
		.banks = &bank,
		.nr_banks = 1,
		.nomap = &nomap,
		.nr_nomap = 1,
		.registers = 0x0c000000 + 4,
		.registers_size = 0x20,
		.registers_value = 1,
		.run_on_other_cpu = berth_cpu_count() > 1 ? run_on_other_cpu : NULL,
		.join_other_cpu = join_other_cpu,
		.own = own,
		.nr_own = ARRAY_SIZE(own),
	};

	return conformance_run(&env);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The suite on ports/linux and its model. */
#include <pthread.h>
#include <unistd.h>

#include "../model/fdt.h"
#include "conformance.h"
#include "model/model.h"

#define RAM 0x40000000ul
#define MIB 0x100000ul
#define REGISTERS 0x10000000ul
#define IRQ (32 + 5)

static const struct berth_range nomap[] = {
	{ RAM + 4 * MIB + 0x5000, MIB + 0x1000 },
	{ 0x8080000000, 0x1000 },
};

/* One register: reads as a constant; a write raises the interrupt, or lowers it if 0. */
static uint64_t read_register(struct model_device *dev, uint64_t offset, unsigned int bytes)
{
	(void)dev;
	(void)bytes;
	return 0xb0a7 + offset;
}

static void write_register(struct model_device *dev, uint64_t offset, unsigned int bytes,
			   uint64_t value)
{
	(void)offset;
	(void)bytes;
	model_irq(dev, 0, value != 0);
}

static const struct model_device_type type = {
	.compatible = "test,conformance",
	.read = read_register,
	.write = write_register,
};

static char __iomem *registers;

static void calm(void)
{
	berth_port_write32(registers, 0);
}

static bool irq_comes(uint32_t before)
{
	uint64_t deadline = berth_port_now() + 1000000000;
	int ret = 0;

	while (!ret && __atomic_load_n(&conformance_irq.count, __ATOMIC_SEQ_CST) == before)
		ret = berth_port_wait(&conformance_irq.count, before, deadline);
	return !ret;
}

static void test_irq_level(void)
{
	unsigned long flags;

	registers = berth_port_ioremap(REGISTERS, 0x1000);
	conformance_irq.irq = IRQ;
	conformance_irq.count = 0;
	conformance_irq.acknowledge = calm;
	CHECK_EQUAL(berth_port_irq_unmask(IRQ, true), 0);
	for (uint32_t i = 0; i < 100; i++) {
		berth_port_write32(registers, 1);
		if (!CHECK(irq_comes(i)))
			break;
	}
	berth_port_delay(1000000);
	CHECK_EQUAL(conformance_irq.count, 100);
	flags = berth_port_irq_save();
	berth_port_write32(registers, 1);
	berth_port_delay(1000000);
	CHECK_EQUAL(conformance_irq.count, 100);
	berth_port_irq_restore(flags);
	CHECK_EQUAL(conformance_irq.count, 101);
	berth_port_irq_mask(IRQ);
	berth_port_write32(registers, 1);
	berth_port_delay(1000000);
	CHECK_EQUAL(conformance_irq.count, 101);
	CHECK_EQUAL(berth_port_irq_unmask(IRQ, true), 0);
	CHECK(irq_comes(101));
	berth_port_irq_mask(IRQ);
	conformance_irq.acknowledge = NULL;
	berth_port_iounmap(registers);
}

/* It comes once per rise, and one that rose while it was masked is remembered. */
static void test_irq_edge(void)
{
	registers = berth_port_ioremap(REGISTERS, 0x1000);
	conformance_irq.irq = IRQ;
	conformance_irq.count = 0;
	CHECK_EQUAL(berth_port_irq_unmask(IRQ, false), 0);
	berth_port_delay(1000);
	conformance_irq.count = 0;
	berth_port_write32(registers, 1);
	berth_port_delay(1000000);
	CHECK_EQUAL(conformance_irq.count, 1);
	calm();
	berth_port_irq_mask(IRQ);
	berth_port_write32(registers, 1);
	calm();
	berth_port_delay(1000000);
	CHECK_EQUAL(conformance_irq.count, 1);
	CHECK_EQUAL(berth_port_irq_unmask(IRQ, false), 0);
	CHECK(irq_comes(1));
	berth_port_delay(1000000);
	CHECK_EQUAL(conformance_irq.count, 2);
	berth_port_irq_mask(IRQ);
	berth_port_iounmap(registers);
}

/* The kernel can read a byte there. */
static bool is_there(const char *at)
{
	int ends[2];
	bool readable;

	if (pipe(ends))
		return false;
	readable = write(ends[1], at, 1) == 1;
	close(ends[0]);
	close(ends[1]);
	return readable;
}

static void test_range_ends(void)
{
	char *range = berth_port_range_reserve(8192), *page = conformance_pages(1);

	CHECK(!is_there(range - 1) && !is_there(range) && !is_there(range + 8192));
	CHECK_EQUAL(berth_port_range_map(range + 4096, conformance_phys(page), 4096,
					 BERTH_MEMORY_CACHED),
		    0);
	CHECK(!is_there(range + 4095) && is_there(range + 4096) && is_there(range + 8191));
	CHECK(!is_there(range + 8192));
	berth_port_range_unmap(range + 4096, conformance_phys(page), 4096, BERTH_MEMORY_CACHED);
	CHECK(!is_there(range + 4096));
	berth_port_range_release(range, 8192);
}

/* RAM outside the linear map, as registers. */
static void test_ioremap_ram(void)
{
	phys_addr_t base = nomap[0].base;
	char __iomem *cookie = berth_port_ioremap(base, 4096);
	char __iomem *combine = berth_port_ioremap_wc(base + 8, 8);
	uint64_t *mapping;

	CHECK(!berth_port_ioremap(base - 4096, 8192));
	if (!CHECK(cookie && combine))
		return;
	berth_port_write64(cookie + 8, 0x1122334455667788);
	CHECK_EQUAL(berth_port_read32(combine + 4), 0x11223344);
	CHECK_EQUAL(berth_port_read8(cookie + 9), 0x77);
	berth_port_iounmap(cookie);
	berth_port_iounmap(combine);
	mapping = berth_port_remap(base, 4096, BERTH_MEMORY_UNCACHED);
	CHECK_EQUAL(mapping[1], 0x1122334455667788);
	berth_port_unremap(mapping, base, 4096);
}

static void test_deadlock(void)
{
	uint32_t word = 0;

	CHECK_EQUAL(-berth_port_wait(&word, 0, UINT64_MAX), EDEADLK);
}

static const struct conformance_test own[] = {
	{ "linux: a level triggered interrupt", test_irq_level },
	{ "linux: an edge triggered interrupt", test_irq_edge },
	{ "linux: nothing is around a range", test_range_ends },
	{ "linux: RAM outside the linear map is reached like registers", test_ioremap_ram },
	{ "linux: a wait that nothing can end is refused", test_deadlock },
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

static const void *tree(void)
{
	static struct fdt fdt;

	fdt_start(&fdt, 2, 1);
	fdt_begin(&fdt, "device@10000000");
	fdt_text(&fdt, "compatible", "test,conformance");
	fdt_cells(&fdt, "reg", 0, REGISTERS, 0x1000);
	fdt_cells(&fdt, "interrupts", IRQ);
	fdt_end(&fdt);
	return fdt_finish(&fdt);
}

int main(void)
{
	static const struct berth_range banks[] = {
		{ RAM, 16 * MIB },
		{ RAM + 32 * MIB, 8 * MIB },
		{ 0x8080000000, 4 * MIB },
	};
	const struct conformance_env env = {
		.fdt = tree(),
		.banks = banks,
		.nr_banks = ARRAY_SIZE(banks),
		.nomap = nomap,
		.nr_nomap = ARRAY_SIZE(nomap),
		.registers = REGISTERS,
		.registers_size = 0x1000,
		.registers_value = 0xb0a7,
		.run_on_other_cpu = run_on_other_thread,
		.join_other_cpu = join_other_thread,
		.own = own,
		.nr_own = ARRAY_SIZE(own),
	};

	/* The console is stderr; the harness reads stdout. */
	dup2(STDOUT_FILENO, STDERR_FILENO);
	model_add_type(&type);
	return conformance_run(&env) != 0;
}

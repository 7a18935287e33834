/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A firmware that does what a port for bare metal must catch: which of these is the boot argument
 * "fault=NAME". It never comes to an end by itself; tests/port/faults looks at what it says.
 */
/* The port's: tests/port/PORT.h. */
#include MACHINE_H

#define MIB 0x100000ul
#define HOLE (RAM_BASE + 128 * MIB)

static phys_addr_t next_table = RAM_BASE + 200 * MIB;

bool berth_irq_handle(unsigned int irq)
{
	(void)irq;
	return false;
}

void berth_timer_handle(void)
{
	berth_port_panic("a panic inside an interrupt");
}

static phys_addr_t alloc_page(void)
{
	next_table += 4096;
	return next_table;
}

phys_addr_t berth_table_alloc(void)
{
	return alloc_page();
}

void berth_table_free(phys_addr_t page)
{
	(void)page;
}

static int start(void)
{
	static const struct berth_range bank = { RAM_BASE, 256 * MIB };
	static const struct berth_range mapped[] = {
		{ RAM_BASE, 128 * MIB },
		{ HOLE + 4096, 128 * MIB - 4096 },
	};
	const struct berth_port_ram ram = {
		.banks = &bank,
		.nr_banks = 1,
		.mapped = mapped,
		.nr_mapped = ARRAY_SIZE(mapped),
		.alloc_page = alloc_page,
	};
	const void *fdt = NULL;
	int ret = berth_port_start(&fdt, NULL, NULL);

	return ret ? ret : berth_port_ram(&ram);
}

static volatile uint32_t *at(uintptr_t address)
{
	return (volatile uint32_t *)address;
}

static void write_null(void *arg)
{
	(void)arg;
	*at(0) = 1;
}

static void write_text(void *arg)
{
	(void)arg;
	*at((uintptr_t)alloc_page) = 1;
}

static void run_data(void *arg)
{
	(void)arg;
	((void (*)(void))(RAM_VIRT + 64 * MIB))();
}

static void read_hole(void *arg)
{
	(void)arg;
	(void)*at(RAM_VIRT + 128 * MIB);
}

/* After it was mapped and in use: the TLBs must have forgotten it. */
static void read_hole_again(void *arg)
{
	volatile uint32_t *page = berth_port_remap(HOLE, 4096, BERTH_MEMORY_UNCACHED);

	(void)arg;
	*page = 5;
	berth_port_unremap((void *)(uintptr_t)page, HOLE, 4096);
	(void)*page;
}

static void read_unmapped_register(void *arg)
{
	void __iomem *uart = berth_port_ioremap(UART_BASE, 4096);

	(void)arg;
	berth_port_read32(uart);
	berth_port_iounmap(uart);
	berth_port_read32(uart);
}

static void read_no_device(void *arg)
{
	(void)arg;
	berth_port_read32(berth_port_ioremap(NO_DEVICE_BASE, 4096));
}

static uint32_t (*volatile deeper)(const volatile uint32_t *from);

static uint32_t fill_stack(const volatile uint32_t *from)
{
	volatile uint32_t here[200];

	here[0] = *from;
	return deeper(here) + here[0];
}

static void overflow(void *arg)
{
	uint32_t zero = 0;

	(void)arg;
	deeper = fill_stack;
	fill_stack(&zero);
}

static void use_float(void *arg)
{
	(void)arg;
	use_float_register();
}

static void panic(void *arg)
{
	(void)arg;
	berth_port_panic("a rule is broken");
}

static void panic_in_handler(void *arg)
{
	uint32_t word = 0;

	(void)arg;
	berth_port_alarm(berth_port_now() + 1000000);
	berth_port_wait(&word, 0, UINT64_MAX);
}

static void fault_elsewhere(void *arg)
{
	(void)arg;
	run_elsewhere(write_null);
}

static const struct {
	const char *name;
	void (*run)(void *);
} faults[] = {
	{ "null", write_null },		 { "text", write_text },
	{ "execute", run_data },	 { "hole", read_hole },
	{ "again", read_hole_again },	 { "register", read_unmapped_register },
	{ "device", read_no_device },	 { "stack", overflow },
	{ "float", use_float },		 { "panic", panic },
	{ "handler", panic_in_handler }, { "elsewhere", fault_elsewhere },
};

/* In the device tree's strings, without reading the tree: nothing else looks like it. */
static const char *argument(void)
{
	static const char key[] = "fault=";
	const char *fdt = berth_boot_tree(), *end = fdt + 0x4000;

	for (; fdt < end; fdt++) {
		unsigned int i = 0;

		while (key[i] && fdt[i] == key[i])
			i++;
		if (!key[i])
			return fdt + i;
	}
	return "";
}

int main(void)
{
	const char *name = argument();

	if (start())
		return 1;
	for (unsigned int i = 0; i < ARRAY_SIZE(faults); i++) {
		unsigned int j = 0;

		while (name[j] && name[j] == faults[i].name[j])
			j++;
		if (!name[j] && !faults[i].name[j])
			faults[i].run(NULL);
	}
	return 2;
}

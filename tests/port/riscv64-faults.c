/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A firmware that does what the RISC-V port must catch: which of these is the boot argument
 * "fault=NAME". It does not come to an end by itself, unless nothing is caught: then its exit code
 * is 2. tests/port/riscv64-faults looks at what it says.
 */
#include <berth/riscv64.h>

#define RAM 0x80000000ul
#define MIB 0x100000ul
/* Neither RAM nor a device. */
#define NOTHING 0x50000000ul
#define BUFFER (RAM + 64 * MIB)

bool berth_irq_handle(unsigned int irq)
{
	(void)irq;
	return false;
}

void berth_timer_handle(void)
{
	berth_port_panic("a panic inside an interrupt");
}

static volatile uint32_t *at(uintptr_t address)
{
	return (volatile uint32_t *)address;
}

static void write_null(void *arg)
{
	volatile uint32_t *null = at((uintptr_t)arg);

	*null = 1;
}

static void read_no_device(void)
{
	berth_port_read32(berth_port_ioremap(NOTHING, 4096));
}

static void run_nothing(void)
{
	((void (*)(void))NOTHING)();
}

static uint32_t (*volatile deeper)(const volatile uint32_t *from);

static uint32_t fill_stack(const volatile uint32_t *from)
{
	volatile uint32_t here[200];

	here[0] = *from;
	return deeper(here) + here[0];
}

static void overflow(void)
{
	uint32_t zero = 0;

	deeper = fill_stack;
	fill_stack(&zero);
}

/* fmv.d.x f0, x0 */
static void use_float(void)
{
	__asm__ volatile(".4byte 0xf2000053");
}

static void panic(void)
{
	berth_port_panic("a rule is broken");
}

static void panic_in_handler(void)
{
	uint32_t word = 0;

	berth_port_alarm(berth_port_now() + 1000000);
	berth_port_wait(&word, 0, UINT64_MAX);
}

static void fault_elsewhere(void)
{
	berth_cpu_start(1, write_null, NULL);
	berth_cpu_join(1);
}

static void fault_here(void)
{
	write_null(NULL);
}

static void clean(void)
{
	berth_port_cache_clean(BUFFER, 0);
	berth_port_cache_clean(BUFFER + 3, 1);
}

static void invalidate(void)
{
	berth_port_cache_invalidate(BUFFER, 0);
	berth_port_cache_invalidate(BUFFER, 64);
}

/* A line of which only a part is to be dropped. */
static void invalidate_part(void)
{
	berth_port_cache_invalidate(BUFFER, 65);
}

static void flush(void)
{
	berth_port_cache_flush(BUFFER, 0);
	berth_port_cache_flush(BUFFER, 4096);
}

static const struct {
	const char *name;
	void (*run)(void);
} faults[] = {
	{ "null", fault_here },
	{ "device", read_no_device },
	{ "execute", run_nothing },
	{ "stack", overflow },
	{ "float", use_float },
	{ "panic", panic },
	{ "handler", panic_in_handler },
	{ "elsewhere", fault_elsewhere },
	{ "clean", clean },
	{ "invalidate", invalidate },
	{ "partial", invalidate_part },
	{ "flush", flush },
};

/* In the device tree's bytes, without reading the tree: nothing else looks like it. */
static const char *argument(const char *fdt)
{
	static const char key[] = "fault=";

	for (const char *end = fdt + 0x8000; fdt < end; fdt++) {
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
	const void *fdt = NULL;
	const char *name;

	if (berth_port_start(&fdt, NULL, NULL))
		return 1;
	name = argument(fdt);
	for (unsigned int i = 0; i < ARRAY_SIZE(faults); i++) {
		unsigned int j = 0;

		while (name[j] && name[j] == faults[i].name[j])
			j++;
		if (!name[j] && !faults[i].name[j])
			faults[i].run();
	}
	return 2;
}

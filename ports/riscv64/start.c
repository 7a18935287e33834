/* SPDX-License-Identifier: BSD-2-Clause */
/* What machine it is, taking it, and giving it back. */
#include <libfdt.h>

#include "internal.h"

struct berth_rv_board berth_rv_board;

static const void *boot_fdt;
static const void *caller_fdt;
static bool started;

static bool is_fdt(const void *at)
{
	return at && !((uintptr_t)at & 7) && !fdt_check_header(at);
}

static uint32_t cell_of(int node, const char *name, int index, uint32_t otherwise)
{
	int length;
	const fdt32_t *cells = fdt_getprop(boot_fdt, node, name, &length);

	return cells && length >= (index + 1) * 4 ? fdt32_to_cpu(cells[index]) : otherwise;
}

/* The registers of a device on a bus that shows addresses as they are; NULL if there is none. */
static char __iomem *registers_of(int node)
{
	int cells = node < 0 ? 0 : fdt_address_cells(boot_fdt, fdt_parent_offset(boot_fdt, node));
	uint64_t address = 0;

	for (int i = 0; i < cells; i++)
		address = address << 32 | cell_of(node, "reg", i, 0);
	return (char __iomem *)address;
}

static int find(const char *compatible)
{
	return fdt_node_offset_by_compatible(boot_fdt, -1, compatible);
}

/* Which of a controller's outputs goes to a cause of CPU 0. */
static int output_to_cpu0(int node, uint32_t cause)
{
	for (int i = 0;; i++) {
		uint32_t phandle = cell_of(node, "interrupts-extended", 2 * i, 0);
		int intc = fdt_node_offset_by_phandle(boot_fdt, phandle);

		if (!phandle || intc < 0)
			return -1;
		if (cell_of(node, "interrupts-extended", 2 * i + 1, 0) == cause &&
		    cell_of(fdt_parent_offset(boot_fdt, intc), "reg", 0, 0) == BOARD_FIRST_HART)
			return i;
	}
}

static bool has_zicbom(int cpu)
{
	static const char name[] = "zicbom";
	const char *isa = fdt_getprop(boot_fdt, cpu, "riscv,isa", NULL);

	for (; isa && *isa; isa++)
		if (!memcmp(isa, name, sizeof(name) - 1))
			return true;
	return fdt_stringlist_search(boot_fdt, cpu, "riscv,isa-extensions", name) >= 0;
}

/* Harts in a row from CPU 0's on. */
static void read_cpus(struct berth_rv_board *board)
{
	int cpus = fdt_path_offset(boot_fdt, "/cpus"), cpu;
	uint32_t harts = 0;

	board->timer_hz = cell_of(cpus, "timebase-frequency", 0, 0);
	fdt_for_each_subnode(cpu, boot_fdt, cpus)
	{
		uint32_t slot = cell_of(cpu, "reg", 0, 0) - BOARD_FIRST_HART;

		if (slot >= BOARD_MAX_CPUS)
			continue;
		harts |= 1u << slot;
		if (!slot && has_zicbom(cpu))
			board->cbom_size = cell_of(cpu, "riscv,cbom-block-size", 0, 64);
	}
	while (harts >> board->nr_cpus & 1)
		board->nr_cpus++;
}

static void read_board(struct berth_rv_board *board)
{
	int plic = find("riscv,plic0"), context = output_to_cpu0(plic, PORT_IRQ_EXTERNAL);

	board->uart = registers_of(find("sifive,uart0"));
	board->uart_is_16550 = !board->uart;
	if (!board->uart)
		board->uart = registers_of(find("ns16550a"));
	board->clint = registers_of(find("riscv,clint0"));
	read_cpus(board);
	if (context >= 0) {
		board->plic = registers_of(plic);
		board->plic_context = (unsigned int)context;
		board->nr_irqs = cell_of(plic, "riscv,ndev", 0, 0);
	}
	if (!board->clint || !board->timer_hz || !board->nr_cpus)
		berth_port_panic("the device tree has no CLINT, or no CPU");
}

/* Called by boot.S on CPU 0, with BSS clear. */
void berth_rv_boot(const void *fdt)
{
	if (!is_fdt(fdt))
		berth_port_panic("there is no device tree");
	boot_fdt = fdt;
	read_board(&berth_rv_board);
	berth_rv_plic_init();
	berth_rv_cpus_init();
	berth_port_irq_restore(MSTATUS_MIE);
	berth_exit(main());
}

int berth_port_start(const void **fdt, const struct berth_machine *machine, const void *config)
{
	const void *tree = *fdt ? *fdt : boot_fdt;

	if (started)
		return -EBUSY;
	if (machine || config || !is_fdt(tree))
		return -EINVAL;
	berth_rv_plic_quiet();
	caller_fdt = *fdt;
	*fdt = tree;
	started = true;
	return 0;
}

void berth_port_stop(void)
{
	berth_port_alarm(UINT64_MAX);
	berth_rv_plic_quiet();
	memset(&berth_port_linear, 0, sizeof(berth_port_linear));
	caller_fdt = NULL;
	started = false;
}

static struct berth_range pages_of(uintptr_t first, uintptr_t end)
{
	struct berth_range range = { .base = first & ~(PAGE_BYTES - 1) };

	range.size = PAGE_ROUND(end) - range.base;
	return range;
}

static bool in_image(const void *at)
{
	return (uintptr_t)at >= (uintptr_t)__image_start && (uintptr_t)at < (uintptr_t)__image_end;
}

bool berth_port_reserved(unsigned int index, struct berth_range *range)
{
	/* The tree of the boot loader stays, whichever is in use: the next start may want it. */
	const void *trees[] = { boot_fdt, caller_fdt };

	if (index-- == 0) {
		*range = pages_of((uintptr_t)__image_start, (uintptr_t)__image_end);
		return true;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(trees); i++) {
		const char *tree = trees[i];

		if (!tree || in_image(tree) || (i && tree == boot_fdt) || index--)
			continue;
		*range = pages_of((uintptr_t)tree, (uintptr_t)tree + fdt_totalsize(tree));
		return true;
	}
	return false;
}

bool berth_port_is_stack(uintptr_t at)
{
	return at - (uintptr_t)berth_rv_stacks < sizeof(berth_rv_stacks) ||
	       at - (uintptr_t)berth_rv_trap_stacks < sizeof(berth_rv_trap_stacks);
}

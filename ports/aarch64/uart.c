/* SPDX-License-Identifier: BSD-2-Clause */
/* The UARTs that can be the console: polled, output only. */
#include "internal.h"

struct uart {
	const char *compatible;
	void (*start)(void);
	bool (*is_full)(void);
	unsigned int data; /* the register that takes a byte */
};

/* NULL until the device tree has been read: semihosting is the console. */
static const struct uart *uart;
static char __iomem *registers;

#define PL011_DR 0x00
#define PL011_FR 0x18
#define PL011_FR_TXFF (1u << 5)
#define PL011_CR 0x30
#define PL011_CR_ON (1u << 8 | 1u << 0)

static void pl011_start(void)
{
	uint32_t control = berth_port_read32(registers + PL011_CR);

	if ((control & PL011_CR_ON) != PL011_CR_ON)
		berth_port_write32(registers + PL011_CR, control | PL011_CR_ON);
}

static bool pl011_is_full(void)
{
	return berth_port_read32(registers + PL011_FR) & PL011_FR_TXFF;
}

#define CADENCE_CR 0x00
#define CADENCE_CR_ON 0x14 /* both directions */
#define CADENCE_SR 0x2c
#define CADENCE_SR_TFUL (1u << 4)
#define CADENCE_FIFO 0x30

static void cadence_start(void)
{
	berth_port_write32(registers + CADENCE_CR, CADENCE_CR_ON);
}

static bool cadence_is_full(void)
{
	return berth_port_read32(registers + CADENCE_SR) & CADENCE_SR_TFUL;
}

static const struct uart uarts[] = {
	{ "arm,pl011", pl011_start, pl011_is_full, PL011_DR },
	{ "cdns,uart-r1p12", cadence_start, cadence_is_full, CADENCE_FIFO },
	{ "cdns,uart-r1p8", cadence_start, cadence_is_full, CADENCE_FIFO },
	{ "xlnx,xuartps", cadence_start, cadence_is_full, CADENCE_FIFO },
};

void berth_a64_uart_init(void)
{
	struct berth_range range;
	int node, entry = berth_a64_tree_stdout(uarts, ARRAY_SIZE(uarts), sizeof(uarts[0]), &node);

	if (entry < 0 || !berth_a64_tree_reg(node, 0, &range))
		return;
	registers = berth_a64_map_own(range.base, range.size);
	uarts[entry].start();
	uart = &uarts[entry];
}

bool berth_a64_uart_put(unsigned char byte)
{
	if (!uart)
		return false;
	while (uart->is_full())
		berth_port_relax();
	berth_port_write32(registers + uart->data, byte);
	return true;
}

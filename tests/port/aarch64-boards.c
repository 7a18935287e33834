/* SPDX-License-Identifier: BSD-2-Clause */
/* The boards on which the tests of ports/aarch64 run, all of them QEMU's. */
#include "aarch64.h"

#define NAME(text) .compatible = text, .compatible_length = sizeof(text)

/* PL031, virt's clock: a match with the present second. */
#define RTC_DR 0x00
#define RTC_MR 0x04
#define RTC_IMSC 0x10
#define RTC_ICR 0x1c

static void rtc_raise(char __iomem *rtc)
{
	berth_port_write32(rtc + RTC_IMSC, 1);
	berth_port_write32(rtc + RTC_MR, berth_port_read32(rtc + RTC_DR));
}

static void rtc_calm(char __iomem *rtc)
{
	berth_port_write32(rtc + RTC_ICR, 1);
	berth_port_write32(rtc + RTC_IMSC, 0);
}

/* The console: what has been printed has left it. */
#define PL011_IMSC 0x38
#define PL011_ICR 0x44
#define PL011_TX (1u << 5)

static void pl011_raise(char __iomem *uart)
{
	berth_port_print("# sent\n", 7);
	berth_port_write32(uart + PL011_IMSC, PL011_TX);
}

static void pl011_calm(char __iomem *uart)
{
	berth_port_write32(uart + PL011_ICR, PL011_TX);
	berth_port_write32(uart + PL011_IMSC, 0);
}

#define CADENCE_IER 0x08
#define CADENCE_IDR 0x0c
#define CADENCE_TEMPTY (1u << 3)

static void cadence_raise(char __iomem *uart)
{
	berth_port_print("# sent\n", 7);
	berth_port_write32(uart + CADENCE_IER, CADENCE_TEMPTY);
}

static void cadence_calm(char __iomem *uart)
{
	berth_port_write32(uart + CADENCE_IDR, CADENCE_TEMPTY);
}

/* The physical timer, which the port does not use. */
static void timer_raise(char __iomem *none)
{
	(void)none;
	__asm__ volatile("msr cntp_tval_el0, xzr\n\tmsr cntp_ctl_el0, %0\n\tisb" ::"r"(1ul)
			 : "memory");
}

static void timer_calm(char __iomem *none)
{
	(void)none;
	__asm__ volatile("msr cntp_ctl_el0, xzr\n\tisb" ::: "memory");
}

#define GIC_TIMER .timer = { 16 + 14, timer_raise, timer_calm }, .refused = { 27, 0, 1020 }

const struct aarch64_board *aarch64_board;

const struct aarch64_board aarch64_boards[] = {
	{
		NAME("linux,dummy-virt"),
		.first = { 0x09010fe0, 0x31 }, /* PL031 */
		.second = { 0x09000fe0, 0x11 }, /* PL011 */
		.large = { 0x4010000000, 0x00081b36 }, /* PCI: the host bridge */
		.device = 0x09010000,
		.level = { 32 + 2, rtc_raise, rtc_calm },
		.gicd = 0x08000000,
		.free_irq = 32 + 200,
		GIC_TIMER,
	},
	{
		NAME("xlnx-versal-virt"),
		.first = { 0xff000fe0, 0x11 }, /* PL011 */
		.second = { 0xffa80110, 0x80 }, /* ZDMA */
		.device = 0xff000000,
		.level = { 32 + 18, pl011_raise, pl011_calm },
		.gicd = 0xf9000000,
		.free_irq = 32 + 155,
		GIC_TIMER,
	},
	{
		NAME("xlnx,zynqmp-zcu102"),
		.first = { 0xffa80110, 0x80 }, /* ZDMA */
		.second = { 0xf9010fe0, 0x90 }, /* GIC-400 */
		.device = 0xff000000,
		.level = { 32 + 21, cadence_raise, cadence_calm },
		.gicd = 0xf9010000,
		.free_irq = 32 + 155,
		GIC_TIMER,
	},
	{
		NAME("raspberrypi,3-model-b"),
		.first = { 0x3f201fe0, 0x11 }, /* PL011 */
		.second = { 0x3f980040, 0x4f54294a }, /* DWC2 */
		.device = 0x3f201000,
		.level = { 32 + 2 * 32 + 25, pl011_raise, pl011_calm },
		.timer = { 1, timer_raise, timer_calm },
		.refused = { 3, 8, 1020 },
	},
};
const unsigned int aarch64_nr_boards = ARRAY_SIZE(aarch64_boards);

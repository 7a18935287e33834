/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI behind real bridges: the functions that tests/boards/pci plugs in. Prints TAP. */
#include <berth/aarch64.h>
#include <berth/berth.h>
#include <berth/test.h>

#include <berth/drivers/edu.h>
#include <berth/drivers/host-generic.h>

#include "tap.h"

#define WINDOW_32_FIRST 0x10000000ull
#define WINDOW_32_LAST 0x3efeffffull
#define WINDOW_64_FIRST 0x8000000000ull
#define WINDOW_64_LAST 0xffffffffffull

#define NVME_VERSION 0x8

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_pci_host_generic_driver),
	BERTH_PCI_DRIVER(&berth_edu_driver),
	BERTH_NO_MORE_DRIVERS,
};

static bool has_name(const char *name, const char *wanted)
{
	while (*name && *name == *wanted)
		name++, wanted++;
	return *name == *wanted;
}

static struct pci_dev *function(const char *name)
{
	struct pci_dev *pdev = NULL;

	while ((pdev = pci_get_device(PCI_ANY_ID, PCI_ANY_ID, pdev)))
		if (has_name(dev_name(&pdev->dev), name))
			return pdev;
	return NULL;
}

static void check_functions(void)
{
	static const char *const names[] = {
		"0000:00:00.0", "0000:00:02.0", "0000:00:03.0", "0000:00:03.1", "0000:00:04.0",
		"0000:01:00.0", "0000:02:03.0", "0000:02:07.0", "0000:03:00.0",
	};
	struct pci_dev *pdev = NULL;
	unsigned int i = 0;

	while ((pdev = pci_get_device(PCI_ANY_ID, PCI_ANY_ID, pdev)) && i < ARRAY_SIZE(names) &&
	       has_name(dev_name(&pdev->dev), names[i]))
		i++;
	check(i == ARRAY_SIZE(names) && !pdev, "all functions, bus by bus, behind bridges too");
}

static bool leads_to(const char *bridge, uint32_t buses)
{
	struct pci_dev *pdev = function(bridge);
	uint32_t value = 0;

	return pdev && !pci_read_config_dword(pdev, PCI_PRIMARY_BUS, &value) &&
	       (value & 0xffffff) == buses;
}

static bool lies_in(const struct resource *res, uint64_t first, uint64_t last)
{
	return res->start >= first && res->end <= last;
}

/* What the function's BAR says, which is the CPU's address on this board. */
static uint64_t bar_of(struct pci_dev *pdev, int bar)
{
	uint32_t low = 0, high = 0;

	pci_read_config_dword(pdev, PCI_BASE_ADDRESS_0 + 4 * bar, &low);
	if ((low & 6) == 4)
		pci_read_config_dword(pdev, PCI_BASE_ADDRESS_0 + 4 * bar + 4, &high);
	return (uint64_t)high << 32 | (low & ~0xfu);
}

static bool is_disjoint(const struct resource *res)
{
	struct pci_dev *pdev = NULL;

	while ((pdev = pci_get_device(PCI_ANY_ID, PCI_ANY_ID, pdev)))
		for (int bar = 0; bar < PCI_STD_NUM_BARS; bar++)
			if (&pdev->resource[bar] != res && pdev->resource[bar].flags &&
			    pdev->resource[bar].start <= res->end &&
			    pdev->resource[bar].end >= res->start)
				return false;
	return true;
}

static void check_bars(void)
{
	struct pci_dev *pdev = NULL;
	unsigned int good = 0, all = 0;

	while ((pdev = pci_get_device(PCI_ANY_ID, PCI_ANY_ID, pdev))) {
		for (int bar = 0; bar < PCI_STD_NUM_BARS; bar++) {
			const struct resource *res = &pdev->resource[bar];

			if (!res->flags)
				continue;
			all++;
			good += !(res->start & (resource_size(res) - 1)) && is_disjoint(res) &&
				bar_of(pdev, bar) == res->start &&
				(lies_in(res, WINDOW_32_FIRST, WINDOW_32_LAST) ||
				 lies_in(res, WINDOW_64_FIRST, WINDOW_64_LAST));
		}
	}
	check(all >= 7 && good == all, "BARs are aligned, disjoint, and in the host's windows");
}

/* ivshmem's memory is larger than the window below 4 GiB. */
static void check_large_bar(void)
{
	struct pci_dev *pdev = function("0000:00:04.0");
	char __iomem *memory = NULL;

	if (pdev && !pci_enable_device(pdev))
		memory = pci_iomap(pdev, 2, 0x1000);
	if (memory)
		writel(0x600df00d, memory + 0xffc);
	check(memory && pci_resource_len(pdev, 2) == 1ull << 30 &&
		      lies_in(&pdev->resource[2], WINDOW_64_FIRST, WINDOW_64_LAST) &&
		      readl(memory + 0xffc) == 0x600df00d,
	      "a BAR of 1 GiB is above 4 GiB, and works");
	if (memory)
		pci_iounmap(pdev, memory);
	if (pdev)
		pci_disable_device(pdev);
}

static void check_behind_port(void)
{
	struct pci_dev *pdev = function("0000:03:00.0");
	char __iomem *regs = NULL;

	if (pdev && pdev->class_code == 0x010802 && !pci_enable_device(pdev))
		regs = pci_iomap(pdev, 0, 0);
	check(regs && readl(regs + NVME_VERSION) == 0x10400, "registers behind a root port");
	if (regs)
		pci_iounmap(pdev, regs);
	if (pdev)
		pci_disable_device(pdev);
}

static void check_interrupts(void)
{
	struct pci_dev *one = function("0000:02:03.0"), *two = function("0000:02:07.0");
	bool is_ok = one && two && pci_get_drvdata(one) && pci_get_drvdata(two);

	check(is_ok && one->irq == two->irq && one->irq >= 35 && one->irq <= 38,
	      "two functions behind two bridges, on one line");
	check(is_ok && !berth_edu_interrupt(one, 0x2) && !berth_edu_interrupt(two, 0x4) &&
		      !berth_edu_interrupt(one, 0x8),
	      "each gets its interrupts");
}

static void check_config(void)
{
	struct pci_dev *pdev = function("0000:00:00.0");
	uint16_t word = 0;
	uint32_t dword = 0;
	uint8_t byte;

	check(pdev && !pci_read_config_word(pdev, PCI_VENDOR_ID, &word) && word == pdev->vendor &&
		      !pci_read_config_dword(pdev, 4092, &dword) &&
		      pci_read_config_word(pdev, 3, &word) == -EINVAL && word == 0xffff &&
		      pci_read_config_byte(pdev, -1, &byte) == -EINVAL &&
		      pci_write_config_dword(pdev, 4096, 0) == -EINVAL &&
		      pci_enable_device(pdev) == -ENODEV && !pci_iomap(pdev, 0, 0),
	      "configuration space: in bounds and aligned");
}

/* Whichever allocation fails, what was taken is given back. */
static void check_failures(void)
{
	unsigned int starts = 0, leaks = 0;
	bool failed = true;

	for (uint64_t nth = 1; failed && nth < 1000; nth++) {
		berth_test_fail_nth(nth);
		if (!berth_start(NULL, drivers, NULL)) {
			starts++;
			failed = berth_test_failed();
			berth_test_fail_nth(0);
			leaks += berth_stop() != 0;
		}
	}
	check(!failed && starts > 20 && !leaks, "every allocation of a start may fail");
}

int main(void)
{
	say("1..12\n");
	for (int round = 0; round < 2; round++) {
		if (berth_start(NULL, drivers, NULL)) {
			check(false, "berth_start");
			return 1;
		}
		check_functions();
		if (round) {
			check(!berth_stop(),
			      "nothing leaked, and a second start is like the first");
			break;
		}
		check(leads_to("0000:00:02.0", 0x020100) && leads_to("0000:01:00.0", 0x020201) &&
			      leads_to("0000:00:03.0", 0x030300) &&
			      leads_to("0000:00:03.1", 0x040400),
		      "bus numbers are given depth first");
		check_bars();
		check_large_bar();
		check_behind_port();
		check_interrupts();
		check_config();
		check(!berth_stop(), "berth_stop");
	}
	check_failures();
	return failures != 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI on QEMU's virt board for RISC-V, which is not the port's board: everything about it is in its
 * device tree. The edu device interrupts through an interrupt-map and the PLIC. Prints TAP.
 */
#include <berth/berth.h>
#include <berth/dma-mapping.h>
#include <berth/riscv64.h>
#include <berth/slab.h>

#include <berth/drivers/edu.h>
#include <berth/drivers/host-generic.h>

#include "tap.h"

#define BYTES 4000u

static const struct berth_driver drivers[] = {
	BERTH_PLATFORM_DRIVER(&berth_pci_host_generic_driver),
	BERTH_PCI_DRIVER(&berth_edu_driver),
	BERTH_NO_MORE_DRIVERS,
};

static bool dma_there_and_back(struct pci_dev *edu)
{
	uint8_t *from = kmalloc(BYTES, GFP_KERNEL), *to = kzalloc(BYTES, GFP_KERNEL);
	bool good = from && to && !berth_edu_set_dma_bits(edu, 64);

	for (size_t i = 0; from && i < BYTES; i++)
		from[i] = (uint8_t)(i * 7 + i / 256);
	good = good && !berth_edu_copy_to(edu, 90, from, BYTES) &&
	       !berth_edu_copy_from(edu, to, 90, BYTES);
	for (size_t i = 0; good && i < BYTES; i++)
		good = to[i] == from[i];
	kfree(from);
	kfree(to);
	return good;
}

int main(void)
{
	struct pci_dev *edu;
	uint32_t result = 0;
	int err;

	say("1..6\n");
	if (berth_start(NULL, drivers, NULL)) {
		say("Bail out! berth_start\n");
		return 1;
	}
	edu = pci_get_device(BERTH_EDU_VENDOR, BERTH_EDU_DEVICE, NULL);
	check(edu && pci_get_drvdata(edu), "edu behind ECAM, and its driver");
	if (edu && pci_get_drvdata(edu)) {
		check(dev_is_dma_coherent(&edu->dev), "it sees the caches");
		err = berth_edu_factorial(edu, 12, &result);
		check(!err && result == 479001600, "12!, told by an interrupt");
		check(!berth_edu_interrupt(edu, 0x40), "an interrupt that was asked for");
		check(dma_there_and_back(edu), "4000 bytes there and back");
	}
	check(!berth_stop(), "nothing is left");
	return failures != 0;
}

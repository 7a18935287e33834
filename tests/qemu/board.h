/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests on QEMU's boards share: cmocka, and a board that starts and stops. */
#ifndef TESTS_QEMU_BOARD_H
#define TESTS_QEMU_BOARD_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <berth/berth.h>
#include <berth/qemu.h>

#include <berth/drivers/edu.h>
#include <berth/drivers/host-generic.h>

#define MIB (1ull << 20)
#define GIB (1ull << 30)

/* On a busy host an emulator may get no CPU for seconds: no driver's timeout may strike for that. */
#define SLOW_DOWN 20

#define SMMU_MACHINE "virt,dtb-randomness=off,iommu=smmuv3,gic-version=3"

/* @machine: NULL is a board without an IOMMU. */
static inline int start_on(const char *machine, const struct berth_driver *drivers,
			   uint64_t ram_size, const char *bootargs, const char *const *arguments)
{
	const struct berth_qemu_config config = {
		.machine = machine,
		.ram_size = ram_size,
		.arguments = arguments,
		.timeout_ms = 120000,
		.slow_down = SLOW_DOWN,
	};
	const struct berth_options options = {
		.machine = &berth_qemu,
		.machine_config = &config,
		.bootargs = bootargs,
	};

	if (berth_running())
		berth_stop(); /* a test before this one has failed */
	return berth_start(NULL, drivers, &options);
}

static inline int start_with(const struct berth_driver *drivers, uint64_t ram_size,
			     const char *bootargs, const char *const *arguments)
{
	return start_on(NULL, drivers, ram_size, bootargs, arguments);
}

static inline void must_start_on(const char *machine, const struct berth_driver *drivers,
				 uint64_t ram_size, const char *bootargs,
				 const char *const *arguments)
{
	char why[200];

	if (start_on(machine, drivers, ram_size, bootargs, arguments)) {
		berth_error_text(NULL, why, sizeof(why));
		fail_msg("berth_start: %s", why);
	}
}

static inline void must_start(const struct berth_driver *drivers, uint64_t ram_size,
			      const char *bootargs, const char *const *arguments)
{
	must_start_on(NULL, drivers, ram_size, bootargs, arguments);
}

static inline void must_stop(void)
{
	char why[200];

	if (berth_stop()) {
		berth_error_text(NULL, why, sizeof(why));
		fail_msg("berth_stop: %s", why);
	}
}

static inline void assert_reason(enum berth_reason reason)
{
	char why[200];

	berth_error_text(NULL, why, sizeof(why));
	if (berth_last_error()->reason != reason)
		fail_msg("wanted reason %d, got %d: %s", reason, berth_last_error()->reason, why);
}

static inline struct pci_dev *must_find(unsigned int vendor, unsigned int device,
					struct pci_dev *from)
{
	struct pci_dev *pdev = pci_get_device(vendor, device, from);

	assert_non_null(pdev);
	return pdev;
}

/* Bytes that tell where they are. */
static inline void fill(uint8_t *bytes, size_t size, uint32_t seed)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)((i + seed) * 2654435761u >> 13);
}

/* False, with the result of a test that was skipped, if there is no emulator here. */
static inline bool has_emulator(void)
{
	if (!system("command -v qemu-system-aarch64 >/dev/null"))
		return true;
	printf("1..1\nok 1 - # skip no qemu-system-aarch64: script/bootstrap installs it\n");
	return false;
}

#endif

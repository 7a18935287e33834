/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: berth - start and stop
 *
 * berth_start() turns a device tree and a list of drivers into a running DMA stack: memory, CMA
 * areas, devices with their limits, drivers bound. berth_stop() takes all of it down again. Both
 * may be repeated in one process as often as one likes; one machine runs at a time.
 */
#ifndef BERTH_BERTH_H
#define BERTH_BERTH_H

#include <berth/abi.h>
#include <berth/error.h>
#include <berth/pci.h>
#include <berth/platform_device.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct berth_machine;

/**
 * struct berth_driver - one entry of the list of drivers; see BERTH_PLATFORM_DRIVER()
 */
struct berth_driver {
	const struct platform_driver *platform;
	const struct pci_driver *pci;
};

/* Entries of a list of drivers, and its end. */
#define BERTH_PLATFORM_DRIVER(drv) \
	{                          \
		(drv), NULL        \
	}
#define BERTH_PCI_DRIVER(drv) \
	{                     \
		NULL, (drv)   \
	}
#define BERTH_NO_MORE_DRIVERS \
	{                     \
		NULL, NULL    \
	}

/**
 * struct berth_options - what the device tree does not say; all zero is a good choice
 * @bootargs: instead of /chosen/bootargs, if not NULL; mem= and cma= count
 * @mem: RAM in addition to the tree's memory nodes (trees that a boot loader completes)
 * @nr_mem: how many ranges
 * @machine: which machine, for ports that have several; NULL for the port's default
 * @machine_config: that machine's own settings
 * @verbose: print what dev_info() says
 */
struct berth_options {
	const char *bootargs;
	const struct berth_range *mem;
	unsigned int nr_mem;
	const struct berth_machine *machine;
	const void *machine_config;
	bool verbose;
};

/** berth_start_abi() - berth_start(), told which headers the caller was built with. */
int berth_start_abi(const void *board, const struct berth_driver *drivers,
		    const struct berth_options *options, unsigned int abi);

/**
 * berth_start() - bring a board up
 * @board: a flattened device tree, readable until berth_stop(); NULL for the one that the port was
 *	given by its boot loader, or by its machine
 * @drivers: ends with BERTH_NO_MORE_DRIVERS; lives until berth_stop(); NULL for none
 * @options: NULL for the defaults; not needed after the call
 *
 * Not in parallel with any other call. A driver whose probe fails leaves its device unbound, is
 * reported on the console, and does not make the start fail. Return: 0, or a negative errno value
 * with everything put back: -EINVAL (ABI, TREE, ARGUMENT), -EBUSY (STATE), -ENOMEM, -ENODEV
 * (NO_MEMORY_NODE); berth_last_error() names node and address.
 */
static inline int berth_start(const void *board, const struct berth_driver *drivers,
			      const struct berth_options *options)
{
	return berth_start_abi(board, drivers, options, BERTH_ABI | BERTH_ABI_CHECKED);
}

/**
 * berth_stop() - unbind the drivers and take the board down
 *
 * Not in parallel with any other call; no pointer into berth's memory is good afterwards. Return:
 * 0; -EBUSY if memory was still in use (LEAK, with the number of bytes), everything being taken
 * down all the same; -EINVAL if berth was not running (STATE).
 */
int berth_stop(void);

/** berth_running() - whether berth has been started. */
bool berth_running(void);

/** berth_version() - "0.1.0" */
const char *berth_version(void);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif

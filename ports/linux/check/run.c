// SPDX-License-Identifier: BSD-2-Clause
/* A run: the checker and berth are started, the test is called, and both are stopped. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <libfdt.h>

#include <berth/berth.h>
#include <berth/check-run.h>
#include <berth/drivers/smmu-v3.h>
#include <berth/model-device.h>
#include <berth/test.h>

#include "host.h"

#define MEMORY (64u << 20)
#define MAX_BOOTARGS 1024

/* Bounce buffers for boards that are small. */
static const char bounce_args[] = " swiotlb=2048,force";

/* The board's boot arguments and the machine's. */
static void make_bootargs(const void *tree, const struct berth_check_machine *machine, char *args)
{
	const int chosen = fdt_path_offset(tree, "/chosen");
	int size = 0;
	const char *own = chosen < 0 ? NULL : fdt_getprop(tree, chosen, "bootargs", &size);

	if (!own || size <= 0 || memchr(own, '\0', (size_t)size) == NULL)
		own = "";
	snprintf(args, MAX_BOOTARGS, "%.900s%s", own,
		 machine->bounces && !strstr(own, "swiotlb=") ? bounce_args : "");
}

/* The SMMU's driver goes first: devices behind it wait for it. */
static struct berth_driver *add_driver(const struct berth_driver *drivers)
{
	size_t nr = 0;
	struct berth_driver *all;

	while (drivers && (drivers[nr].platform || drivers[nr].pci))
		nr++;
	all = calloc(nr + 2, sizeof(*all));
	if (!all)
		return NULL;
	all[0].platform = &berth_smmu_v3_driver;
	for (size_t i = 0; i < nr; i++)
		all[i + 1] = drivers[i];
	return all;
}

/* With the checker running. */
static int run_machine(const struct berth_check_run *run, const struct berth_check_machine *machine,
		       const void *tree, const struct berth_driver *drivers,
		       struct berth_check_outcome *outcome, unsigned int abi)
{
	const struct berth_model_config config = {
		.seed = machine->seed,
		.line_size = machine->line_size,
		.cache = machine->cache,
		.write_back_permille = machine->write_back_permille,
		.refill_permille = machine->refill_permille,
		.follow_permille = machine->follow_permille,
		.no_fresh_pattern = machine->no_fresh_pattern,
	};
	char bootargs[MAX_BOOTARGS];
	const struct berth_options options = {
		.bootargs = bootargs,
		.machine = &berth_model,
		.machine_config = &config,
	};
	int err;

	make_bootargs(tree, machine, bootargs);
	berth_test_begin(machine->seed, run->on_failure, run->data);
	berth_check_fail_map_nth(run->fail_nth);
	err = berth_start_abi(tree, drivers, &options, abi);
	if (!err) {
		outcome->result = run->test(run->data);
		if (berth_stop() == -EBUSY) {
			outcome->has_leaked = true;
			outcome->leaked_bytes = berth_last_error()->length;
		}
	}
	outcome->has_failed = run->fail_nth && berth_check_map_failed();
	berth_check_fail_map_nth(0);
	berth_test_begin(0, NULL, NULL);
	return err;
}

static int run_checked(const struct berth_check_run *run, const struct berth_check_machine *machine,
		       const void *tree, const struct berth_driver *drivers,
		       struct berth_check_outcome *outcome, unsigned int abi)
{
	struct berth_check_options check = {
		.size = run->check_memory ? run->check_memory : MEMORY,
		.has_raw = run->has_raw,
		.on_report = run->on_report,
		.is_suppressed = run->is_suppressed,
		.with_notes = run->with_notes,
		.hostile = run->is_hostile ? machine->seed + 1 : 0,
		.data = run->data,
	};
	int err;

	check.memory = mmap(NULL, check.size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (check.memory == MAP_FAILED)
		return berth_port_fail(-ENOMEM, BERTH_REASON_OUT_OF_MEMORY, "memory of the checker",
				       0, check.size);
	err = berth_check_start(&check);
	if (!err) {
		err = run_machine(run, machine, tree, drivers, outcome, abi);
		if (run->on_stopped)
			run->on_stopped(run->data);
		outcome->reports = berth_check_stop();
	}
	munmap(check.memory, check.size);
	return err;
}

int berth_check_run_abi(const struct berth_check_run *run,
			const struct berth_check_machine *machine,
			struct berth_check_outcome *outcome, unsigned int abi)
{
	struct berth_driver *drivers;
	void *tree;
	int err = -ENOMEM;

	*outcome = (struct berth_check_outcome){ 0 };
	if (berth_running())
		return berth_port_fail(-EBUSY, BERTH_REASON_STATE, "berth is running", 0, 0);
	for (unsigned int i = 0; run->devices && run->devices[i]; i++)
		berth_model_add_type(run->devices[i]);
	tree = berth_check_board(run->board, run->devices, machine);
	if (!tree)
		return berth_last_error()->code;
	drivers = add_driver(run->drivers);
	if (drivers)
		err = run_checked(run, machine, tree, drivers, outcome, abi);
	else
		berth_port_fail(err, BERTH_REASON_OUT_OF_MEMORY, "drivers", 0, 0);
	free(drivers);
	free(tree);
	return err;
}

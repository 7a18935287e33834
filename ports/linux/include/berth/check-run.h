/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: check-run - a driver and its test under the checker, on a machine for each seed
 *
 * What ``berth check`` does, as calls for other test frameworks: a seed stands for a machine, and the same seed for the
 * same run, bit for bit. Only libberth-check has it. A driver that crashes or hangs takes the process with it: the command
 * gives each run a process, and so may a framework. No run starts while berth runs, nor do two at once.
 */
#ifndef BERTH_CHECK_RUN_H
#define BERTH_CHECK_RUN_H

#include <berth/abi.h>
#include <berth/check.h>
#include <berth/iommu.h>
#include <berth/model.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct berth_driver;
struct berth_model_device_type;

/**
 * struct berth_check_machine - a machine
 * @seed: what happens by chance
 * @line_size: bytes of a cache line: 32, 64, 128
 * @cache: when the cache acts by itself
 * @write_back_permille: chances of the cache; see &struct berth_model_config
 * @refill_permille: the same
 * @follow_permille: the same
 * @is_coherent: devices see the CPU's caches, those of which the board says nothing
 * @bounces: every mapping goes through a bounce buffer
 * @has_iommu: devices are behind an SMMU; one is added where the board has none
 * @no_fresh_pattern: new memory is zero, not a pattern
 * @protection: of the devices behind an IOMMU
 */
struct berth_check_machine {
	uint64_t seed;
	unsigned int line_size;
	enum berth_model_cache cache;
	unsigned int write_back_permille;
	unsigned int refill_permille;
	unsigned int follow_permille;
	bool is_coherent;
	bool bounces;
	bool has_iommu;
	bool no_fresh_pattern;
	enum berth_protection protection;
};

/**
 * berth_check_machine() - the machine of a seed
 *
 * The first ten are far from each other, so that few seeds go a long way; the others come by chance. Any context.
 */
void berth_check_machine(uint64_t seed, struct berth_check_machine *machine);

/** berth_check_machine_text() - it in words. Return: the length of the whole text, as snprintf(). */
size_t berth_check_machine_text(const struct berth_check_machine *machine, char *text, size_t size);

/**
 * berth_check_board() - a board as a machine has it
 * @board: a flattened device tree; NULL: RAM, and a node for each of @devices; see &struct berth_test_program
 * @devices: NULL at the end, or NULL
 * @machine: says what is added to it
 *
 * What the board says of a device itself stays. Return: a tree for free(); NULL with -EINVAL (TREE) or -ENOMEM.
 */
void *berth_check_board(const void *board, const struct berth_model_device_type *const *devices,
			const struct berth_check_machine *machine);

/**
 * struct berth_check_run - what is run
 * @board: as for berth_check_board()
 * @drivers: as for berth_start(), or NULL; the SMMU's driver is added
 * @devices: kinds of devices that the modelled SoC gets, NULL at the end, or NULL
 * @test: called when berth has started. Return: 0, or a negative errno value
 * @data: handed to it, and to the others
 * @on_report: as in &struct berth_check_options; may be NULL
 * @is_suppressed: the same
 * @on_failure: as for berth_test_begin(); may be NULL
 * @on_stopped: called while the reports can still be asked for (berth_check_each()); may be NULL
 * @has_raw: as in &struct berth_check_options
 * @check_memory: for the checker's records; 0: 64 MiB
 * @with_notes: as in &struct berth_check_options
 * @fail_nth: the @fail_nth mapping or allocation of DMA memory fails, the drivers' probes included; 0: none. See
 *	berth_check_fail_map_nth()
 * @is_hostile: devices write what they please into coherent memory, for each seed in a way of its own
 */
struct berth_check_run {
	const void *board;
	const struct berth_driver *drivers;
	const struct berth_model_device_type *const *devices;
	int (*test)(void *data);
	void *data;
	void (*on_report)(const struct berth_check_report *report, void *data);
	bool (*is_suppressed)(const struct berth_check_report *report, void *data);
	void (*on_failure)(void *data, const char *file, unsigned int line, const char *text);
	void (*on_stopped)(void *data);
	bool has_raw;
	size_t check_memory;
	bool with_notes;
	bool is_hostile;
	uint64_t fail_nth;
};

/**
 * struct berth_check_outcome - how a run went
 * @result: what the test returned
 * @reports: how many different ones there were
 * @has_leaked: berth_stop() found memory still in use
 * @leaked_bytes: how much
 * @has_failed: the mapping that was to fail has
 */
struct berth_check_outcome {
	int result;
	unsigned int reports;
	bool has_leaked;
	uint64_t leaked_bytes;
	bool has_failed;
};

/** berth_check_run_abi() - berth_check_run(), told which headers the caller was built with. */
int berth_check_run_abi(const struct berth_check_run *run,
			const struct berth_check_machine *machine,
			struct berth_check_outcome *outcome, unsigned int abi);

/**
 * berth_check_run() - one run
 * @run: what
 * @machine: where
 * @outcome: filled in, if it is 0
 *
 * Starts the checker and berth, calls the test, and stops both. Return: 0: it has been run, whatever was found; else what
 * berth_check_start(), berth_check_board() or berth_start() says, with its reason.
 */
static inline int berth_check_run(const struct berth_check_run *run,
				  const struct berth_check_machine *machine,
				  struct berth_check_outcome *outcome)
{
	return berth_check_run_abi(run, machine, outcome, BERTH_ABI | BERTH_ABI_CHECKED);
}

/**
 * berth_check_run_seeds() - on the machines of several seeds, from @first on, one after the other
 * @run: what
 * @first: seed
 * @nr: how many
 * @bad_seed: set to the first one in which something was wrong, if there is one; or NULL
 *
 * Return: in how many runs something was wrong (reports, or a result that is not 0); or as berth_check_run().
 */
static inline int berth_check_run_seeds(const struct berth_check_run *run, uint64_t first,
					unsigned int nr, uint64_t *bad_seed)
{
	struct berth_check_machine machine;
	struct berth_check_outcome outcome;
	int bad = 0, ret;

	for (uint64_t seed = first; seed - first < nr; seed++) {
		berth_check_machine(seed, &machine);
		ret = berth_check_run(run, &machine, &outcome);
		if (ret)
			return ret;
		if (!outcome.reports && !outcome.result)
			continue;
		if (!bad++ && bad_seed)
			*bad_seed = seed;
	}
	return bad;
}

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif

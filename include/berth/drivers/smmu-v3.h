/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: smmu-v3 - driver of the Arm SMMUv3 (Arm IHI 0070)
 *
 * Stage 1 with tables of VMSAv8-64, linear and two-level stream tables. Who uses a device behind it
 * needs nothing of this: iommu.h and the DMA API serve him. docs/smmu-v3.md is the guide.
 */
#ifndef BERTH_DRIVERS_SMMU_V3_H
#define BERTH_DRIVERS_SMMU_V3_H

#include <berth/device.h>
#include <berth/platform_device.h>
#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

extern const struct platform_driver berth_smmu_v3_driver;

/**
 * struct berth_smmu_v3_stats - what an SMMU was asked, and what it said
 * @commands: commands written, by opcode; those of one opcode are counted where it says so
 * @tlbi_va: of @commands: invalidations of a page or a range
 * @tlbi_asid: of @commands: of all that is remembered of a domain
 * @tlbi_all: of @commands: of everything
 * @cfgi: of @commands: of stream table entries
 * @syncs: of @commands: CMD_SYNC
 * @doorbells: writes of the command queue's producer register
 * @looks: reads of its consumer register
 * @fullness: how often somebody had to wait for room in the queue
 * @command_errors: commands that the SMMU refused
 * @timeouts: waits that it did not end
 * @events: records of the event queue
 * @lost: times that the event queue was found to have lost some
 * @service_failure: the SMMU has stopped for good
 * @domains: domains with page tables
 * @tables: second-level stream tables
 */
struct berth_smmu_v3_stats {
	uint64_t commands;
	uint64_t tlbi_va;
	uint64_t tlbi_asid;
	uint64_t tlbi_all;
	uint64_t cfgi;
	uint64_t syncs;
	uint64_t doorbells;
	uint64_t looks;
	uint64_t fullness;
	uint64_t command_errors;
	uint64_t timeouts;
	uint64_t events;
	uint64_t lost;
	uint32_t service_failure;
	uint32_t domains;
	uint32_t tables;
};

/** berth_smmu_v3_stats() - figures since the driver was bound to @dev. Any context. */
void berth_smmu_v3_stats(struct device *dev, struct berth_smmu_v3_stats *stats);

/**
 * berth_smmu_v3_set_granule() - page size of domains that are made from now on
 * @dev: an SMMU
 * @granule: 4, 16 or 64 KiB; 0: the first of these that it has
 *
 * For tests, and for who knows his buffers. Any context. Return: 0, -EINVAL if it has not (ARGUMENT).
 */
int berth_smmu_v3_set_granule(struct device *dev, size_t granule);

/**
 * berth_smmu_v3_command() - a command as it is, and a synchronisation
 * @dev: an SMMU
 * @low: first half of the command
 * @high: second half
 *
 * For tests and for what only a board's supplier knows. Any context. Return: 0; -EIO if it was refused
 * (COMMAND); -ETIMEDOUT (NO_DEVICE).
 */
int berth_smmu_v3_command(struct device *dev, uint64_t low, uint64_t high);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* One edu behind the SMMU, and notes of the faults that were told of it. */
#ifndef TESTS_QEMU_SMMU_EDU_H
#define TESTS_QEMU_SMMU_EDU_H

#include "smmu.h"

static struct raw edu;

/* What was reported last, and how much. */
static struct berth_iommu_fault last;
static unsigned int nr_told;
static uint64_t nr_faults;

static void note(const struct berth_iommu_fault *fault, void *data)
{
	(void)data;
	last = *fault;
	nr_told++;
	nr_faults += fault->count;
}

static void forget_faults(void)
{
	last = (struct berth_iommu_fault){ 0 };
	nr_told = 0;
	nr_faults = 0;
}

static void start(const char *const *arguments)
{
	start_machine(arguments, NULL);
	find_smmu();
	take_edu(&edu, NULL);
	berth_iommu_set_listener(note, NULL);
	forget_faults();
}

static void stop(void)
{
	leave_edu(&edu);
	must_stop();
}

static struct berth_smmu_v3_stats stats_now(void)
{
	struct berth_smmu_v3_stats stats;

	berth_smmu_v3_stats(smmu, &stats);
	return stats;
}

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Accesses that an IOMMU refused. Hardware has a record for each piece of a transfer: those that
 * are alike are told once, with their number, when something else comes or there are no more.
 */
#include <berth/slab.h>

#include "iommu/internal.h"
#include "lib/device.h"
#include "lib/error.h"
#include "lib/printk.h"
#include "lib/string.h"
#include "lib/trace.h"

/*
 * A device is looked up, and told of, between begin() and end(); one that goes waits until nobody is
 * in between who may have found it.
 */
static uint32_t nr_telling;

static void begin(void)
{
	__atomic_fetch_add(&nr_telling, 1, __ATOMIC_SEQ_CST);
}

static void end(void)
{
	__atomic_fetch_sub(&nr_telling, 1, __ATOMIC_SEQ_CST);
}

/* One run for each IOMMU at most, since each reports from one handler at a time. */
#define MAX_RUNS 8u

static struct {
	spinlock_t lock;
	struct fault_run {
		struct iommu_device *iommu; /* NULL: there is none */
		struct berth_iommu_fault fault;
	} runs[MAX_RUNS];
	void (*listener)(const struct berth_iommu_fault *fault, void *data);
	void *data;
} faults;

typedef unsigned long long ull;

static const char *reason_text(enum berth_iommu_fault_reason reason)
{
	switch (reason) {
	case BERTH_IOMMU_FAULT_STREAM:
		return "no device has this id";
	case BERTH_IOMMU_FAULT_CONTEXT:
		return "what the IOMMU was told of the device is damaged";
	case BERTH_IOMMU_FAULT_TRANSLATION:
		return "nothing is mapped there";
	case BERTH_IOMMU_FAULT_PERMISSION:
		return "it is not mapped for this";
	case BERTH_IOMMU_FAULT_SIZE:
		return "the address has too many bits";
	case BERTH_IOMMU_FAULT_WALK:
		return "the tables could not be read";
	default:
		return "the IOMMU does not say why";
	}
}

size_t berth_iommu_fault_text(const struct berth_iommu_fault *fault, char *text, size_t size)
{
	char last[96] = "", count[40] = "";
	int length;

	if (fault->last_size && fault->ended)
		berth_snprintf(last, sizeof(last),
			       "; the last mapping there was %llu bytes at %#llx, %u mappings ago",
			       (ull)fault->last_size, (ull)fault->last_start,
			       (unsigned int)fault->ended);
	if (fault->count > 1)
		berth_snprintf(count, sizeof(count), " (%llu times)", (ull)fault->count);
	length = berth_snprintf(text, size, "%s (id %#x): %s at %#llx refused: %s%s%s",
				fault->dev ? dev_name(fault->dev) : "unknown device",
				(unsigned int)fault->id,
				fault->flags & IOMMU_FAULT_WRITE ? "write" : "read",
				(ull)fault->address, reason_text(fault->reason), last, count);
	return length < 0 ? 0 : (size_t)length;
}

/* The mapping that was last at an address. */
static void look_back(struct iommu_domain *domain, struct berth_iommu_fault *fault)
{
	const struct iommu_domain_private *p = domain->p;
	uint32_t nr = __atomic_load_n(&p->nr_ended, __ATOMIC_RELAXED);

	if (iommu_iova_to_phys(domain, fault->address) != BERTH_PHYS_NONE) {
		fault->last_size = domain->pgsize_bitmap & (0 - domain->pgsize_bitmap);
		fault->last_start = fault->address & ~(fault->last_size - 1);
		return;
	}
	for (uint32_t ago = 1; ago <= nr && ago <= IOMMU_HISTORY; ago++) {
		const struct iommu_ended *one = &p->ended[(nr - ago) % IOMMU_HISTORY];
		dma_addr_t iova = __atomic_load_n(&one->iova, __ATOMIC_RELAXED);
		uint64_t size = __atomic_load_n(&one->size, __ATOMIC_RELAXED);

		if (fault->address - iova < size) {
			fault->last_start = iova;
			fault->last_size = size;
			fault->ended = ago;
			return;
		}
	}
}

static void tell_console(const struct berth_iommu_fault *fault)
{
	char text[320];

	berth_iommu_fault_text(fault, text, sizeof(text));
	berth_printk("error: %s\n", text);
}

/* A run has ended: whoever wants to know is told, without a lock. */
static void tell(struct berth_iommu_fault *fault)
{
	struct dev_iommu *record = fault->dev ? fault->dev->p->iommu : NULL;
	void (*listener)(const struct berth_iommu_fault *fault, void *data);
	struct iommu_domain *domain = record ? record->group->domain : NULL;
	unsigned long flags;
	void *data;

	berth_trace(.kind = BERTH_TRACE_IOMMU_FAULT, .dev = fault->dev,
		    .detail = (int)fault->reason, .address = fault->address, .length = fault->count,
		    .other = fault->id);
	if (domain && domain->p) {
		iommu_fault_handler_t handler =
			__atomic_load_n(&domain->p->handler, __ATOMIC_ACQUIRE);

		look_back(domain, fault);
		if (handler &&
		    !handler(domain, fault->dev, fault->address, fault->flags, domain->p->token))
			return;
	}
	spin_lock_irqsave(&faults.lock, flags);
	listener = faults.listener;
	data = faults.data;
	if (record)
		record->last_fault = *fault;
	spin_unlock_irqrestore(&faults.lock, flags);
	if (listener)
		listener(fault, data);
	else
		tell_console(fault);
}

/* The run of an IOMMU, or a place for one; NULL: it is told at once. Under faults.lock. */
static struct fault_run *run_of(const struct iommu_device *iommu)
{
	struct fault_run *free = NULL;

	for (unsigned int i = 0; i < MAX_RUNS; i++) {
		if (faults.runs[i].iommu == iommu)
			return &faults.runs[i];
		if (!faults.runs[i].iommu)
			free = &faults.runs[i];
	}
	return free;
}

static bool is_alike(const struct berth_iommu_fault *one, const struct berth_iommu_fault *other)
{
	return one->dev == other->dev && one->id == other->id && one->flags == other->flags &&
	       one->reason == other->reason &&
	       one->address >> PAGE_SHIFT == other->address >> PAGE_SHIFT;
}

void berth_iommu_report_fault(struct iommu_device *iommu, uint32_t id, dma_addr_t address,
			      int flags, enum berth_iommu_fault_reason reason)
{
	struct berth_iommu_fault fault = {
		.id = id, .address = address, .flags = flags, .reason = reason, .count = 1
	};
	struct berth_iommu_fault ended = { 0 };
	struct fault_run *run;
	unsigned long irq;

	begin();
	fault.dev = berth_iommu_device_of_id(iommu, id);
	spin_lock_irqsave(&faults.lock, irq);
	if (fault.dev)
		fault.dev->p->iommu->nr_faults++;
	run = run_of(iommu);
	if (run && run->iommu && is_alike(&run->fault, &fault)) {
		run->fault.count++;
	} else if (run) {
		if (run->iommu)
			ended = run->fault;
		run->iommu = iommu;
		run->fault = fault;
	} else {
		ended = fault;
	}
	spin_unlock_irqrestore(&faults.lock, irq);
	if (ended.count)
		tell(&ended);
	end();
}

void berth_iommu_report_end(struct iommu_device *iommu)
{
	struct berth_iommu_fault ended = { 0 };
	struct fault_run *run;
	unsigned long irq;

	begin();
	spin_lock_irqsave(&faults.lock, irq);
	run = run_of(iommu);
	if (run && run->iommu) {
		ended = run->fault;
		run->iommu = NULL;
	}
	spin_unlock_irqrestore(&faults.lock, irq);
	if (ended.count)
		tell(&ended);
	end();
}

void berth_iommu_set_listener(void (*listener)(const struct berth_iommu_fault *fault, void *data),
			      void *data)
{
	unsigned long flags;

	spin_lock_irqsave(&faults.lock, flags);
	faults.listener = listener;
	faults.data = data;
	spin_unlock_irqrestore(&faults.lock, flags);
}

uint64_t berth_iommu_faults(const struct device *dev)
{
	unsigned long flags;
	uint64_t nr = 0;

	if (!dev->p || !dev->p->iommu)
		return 0;
	spin_lock_irqsave(&faults.lock, flags);
	nr = dev->p->iommu->nr_faults;
	spin_unlock_irqrestore(&faults.lock, flags);
	return nr;
}

bool berth_iommu_last_fault(const struct device *dev, struct berth_iommu_fault *fault)
{
	unsigned long flags;

	if (!dev->p || !dev->p->iommu)
		return false;
	spin_lock_irqsave(&faults.lock, flags);
	*fault = dev->p->iommu->last_fault;
	spin_unlock_irqrestore(&faults.lock, flags);
	return fault->count != 0;
}

void berth_iommu_faults_forget(struct device *dev)
{
	unsigned long flags;

	spin_lock_irqsave(&faults.lock, flags);
	for (unsigned int i = 0; i < MAX_RUNS; i++)
		if (faults.runs[i].iommu && faults.runs[i].fault.dev == dev)
			faults.runs[i].fault.dev = NULL;
	spin_unlock_irqrestore(&faults.lock, flags);
	while (__atomic_load_n(&nr_telling, __ATOMIC_SEQ_CST))
		berth_port_relax();
}

void berth_iommu_faults_reset(void)
{
	memset(&faults, 0, sizeof(faults));
}

// SPDX-License-Identifier: BSD-2-Clause
/* Start and stop, and the way from the calls of port.h to the machine that runs. */
#include <errno.h>

#include <berth/model.h>

#include "share.h"
#include "trap.h"

struct berth_port_linear berth_port_linear;
uint32_t berth_port_irq_pending;

static const struct berth_machine *running;

const struct berth_machine *berth_port_machine(void)
{
	return running;
}

int berth_port_start(const void **fdt, const struct berth_machine *machine, const void *config)
{
	int ret;

	if (running)
		return berth_port_fail(-EBUSY, BERTH_REASON_STATE, running->name, 0, 0);
	if (!machine)
		machine = &berth_model;
	berth_port_slot();
	ret = berth_port_user_start();
	if (!ret)
		ret = machine->start(fdt, config);
	if (ret) {
		berth_port_user_stop();
		return ret;
	}
	running = machine;
	berth_port_host_start(machine->fresh != NULL);
	return 0;
}

bool berth_port_reserved(unsigned int index, struct berth_range *range)
{
	/* The process lies beside the board's RAM, not in it. */
	(void)index;
	(void)range;
	return false;
}

static bool fresh_word(uintptr_t at, uint64_t *word)
{
	return running->fresh_word((const void *)at, word);
}

int berth_port_ram(const struct berth_port_ram *ram)
{
	int ret = running->ram(ram, &berth_port_linear);

	if (ret)
		return ret;
	berth_port_traps_start();
	__atomic_store_n(&berth_port_fresh, running->fresh_word ? fresh_word : NULL,
			 __ATOMIC_RELEASE);
	return 0;
}

void berth_port_stop(void)
{
	const struct berth_machine *machine = running;

	if (!machine)
		return;
	__atomic_store_n(&berth_port_fresh, NULL, __ATOMIC_RELEASE);
	berth_port_traps_stop();
	berth_port_user_stop();
	berth_port_share_stop();
	berth_port_ranges_stop();
	if (berth_port_linear.size)
		berth_port_clear_poison((void *)berth_port_linear.virt, berth_port_linear.size);
	running = NULL;
	machine->stop();
	berth_port_linear = (struct berth_port_linear){ 0 };
	__atomic_store_n(&berth_port_irq_pending, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&berth_port_guarded, 0, __ATOMIC_RELAXED);
}

void *berth_port_remap(phys_addr_t phys, uint64_t size, enum berth_memory_type type)
{
	if (!running || !running->remap) {
		berth_port_fail(-EINVAL, BERTH_REASON_MAPPING, "remap", phys, size);
		return NULL;
	}
	return running->remap(phys, size, type);
}

void berth_port_unremap(void *virt, phys_addr_t phys, uint64_t size)
{
	if (running && running->unremap)
		running->unremap(virt, phys, size);
}

void __iomem *berth_port_ioremap(phys_addr_t phys, uint64_t size)
{
	if (!running) {
		berth_port_fail(-EINVAL, BERTH_REASON_STATE, "ioremap", phys, size);
		return NULL;
	}
	return running->ioremap(phys, size);
}

/* What a machine's registers are reached by is a call: no write of it is merged. */
void __iomem *berth_port_ioremap_wc(phys_addr_t phys, uint64_t size)
{
	return berth_port_ioremap(phys, size);
}

void berth_port_iounmap(void __iomem *cookie)
{
	if (running)
		running->iounmap(cookie);
}

#define ACCESSORS(bits)                                                                \
	uint##bits##_t berth_port_read##bits(const volatile void __iomem *addr)        \
	{                                                                              \
		return running ? (uint##bits##_t)running->read(addr, (bits) / 8)       \
			       : (uint##bits##_t)UINT64_MAX;                           \
	}                                                                              \
	void berth_port_write##bits(volatile void __iomem *addr, uint##bits##_t value) \
	{                                                                              \
		if (running)                                                           \
			running->write(addr, (bits) / 8, value);                       \
	}

ACCESSORS(8)
ACCESSORS(16)
ACCESSORS(32)
ACCESSORS(64)

unsigned int berth_port_line_size(void)
{
	return running ? running->line_size() : 64;
}

void berth_port_cache_clean(phys_addr_t phys, uint64_t size)
{
	if (running)
		running->clean(phys, size);
}

void berth_port_cache_invalidate(phys_addr_t phys, uint64_t size)
{
	if (running)
		running->invalidate(phys, size);
}

void berth_port_cache_flush(phys_addr_t phys, uint64_t size)
{
	if (running)
		running->flush(phys, size);
}

int berth_port_irq_unmask(unsigned int irq, bool level)
{
	return running ? running->irq_unmask(irq, level) : -EINVAL;
}

void berth_port_irq_mask(unsigned int irq)
{
	if (running)
		running->irq_mask(irq);
}

void berth_port_irq_poll(void)
{
	if (running && running->irq_poll)
		running->irq_poll();
}

uint64_t berth_port_now(void)
{
	return running ? running->now() : 0;
}

int berth_port_wait(const uint32_t *word, uint32_t value, uint64_t deadline_ns)
{
	berth_port_slot();
	return running ? running->wait(word, value, deadline_ns) : -EDEADLK;
}

void berth_port_wake(const uint32_t *word)
{
	if (running)
		running->wake(word);
}

void berth_port_delay(uint64_t ns)
{
	if (running)
		running->delay(ns);
}

void berth_port_alarm(uint64_t at_ns)
{
	if (running)
		running->alarm(at_ns);
}

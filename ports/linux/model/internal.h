/* SPDX-License-Identifier: BSD-2-Clause */
/* The core of the modelled SoC: what its files share. */
#ifndef MODEL_INTERNAL_H
#define MODEL_INTERNAL_H

#include <pthread.h>

#include "model/model.h"
#include "cookies.h"
#include "host.h"

#define MODEL_PAGE 4096ull
#define MODEL_IRQS 1020u

/* What chance is asked for: each has numbers of its own, so that one more of these leaves the others. */
enum chance {
	CHANCE_TIME,
	CHANCE_CACHE,
	CHANCE_FOLLOW,
	CHANCE_TIES,
	CHANCE_IRQ,
	CHANCE_OTHER,
	CHANCES
};

/* What the digest is fed with. */
enum note {
	NOTE_EVENT = 1,
	NOTE_READ,
	NOTE_WRITE,
	NOTE_DMA_READ,
	NOTE_DMA_WRITE,
	NOTE_BUS_ERROR,
	NOTE_CACHE_OP,
	NOTE_LINE,
	NOTE_IRQ,
	NOTE_ALARM,
	NOTE_FAULT,
};

/* What the model keeps for a device beside its public part. */
struct box {
	struct model_device dev;
	uint64_t chance;
	unsigned int index;
	bool asserted[MODEL_MAX_IRQS];
};

struct event {
	uint64_t at;
	uint64_t order; /* among those of the same moment */
	struct model_device *dev;
	void (*step)(struct model_device *dev, uint64_t arg);
	uint64_t arg;
	uint64_t cause; /* as of the model */
};

/*
 * RAM. The three copies are reserved for the whole extent of the banks, so that the same offset
 * leads to the same byte in each. C: what the CPU sees, absent outside the linear map. D: memory.
 * S: what a line was when it was last clean.
 */
struct model_ram {
	phys_addr_t base;
	uint64_t size; /* 0: there is none yet */
	uint8_t *c, *d, *s;
	void *area[4]; /* as reserved, before alignment */
	uint64_t area_size;
	int fd[2]; /* of C and D */
	uint8_t *alias; /* C once more, if pages of it are closed to the program; else NULL */
	uint8_t *direct; /* with it, per page: it shows something else there, and C is never closed */
	uint8_t *uncached; /* a bit per page: has an uncached mapping */
	uint16_t *views; /* per page: cached views of it outside the linear map */
	uint64_t nr_viewed; /* pages that have some */
	struct berth_range *banks, *mapped;
	unsigned int nr_banks, nr_mapped;
};

struct irq_line {
	uint16_t asserted; /* by how many devices */
	bool is_unmasked, is_level, is_latched, is_running;
	uint32_t unhandled;
};

/* A thread in wait(); on its stack. */
struct waiter {
	uint64_t deadline_ns;
	struct waiter *next;
};

/*
 * All of it is under @lock, which is taken inside any spinlock of a driver's and held while a
 * device acts. No call of berth is made while it is held: handlers of interrupts and timers run
 * without it. It is recursive, since what a device calls in the program may ask the model.
 */
struct soc {
	pthread_mutex_t lock;
	struct berth_model_config config;
	struct berth_model_smmu_config smmu; /* a copy, with the defaults */
	struct berth_model_stats stats;
	const void *fdt;
	uint64_t chance[CHANCES];

	struct model_device *devices;
	struct model_device *current; /* the one that acts now */
	uint64_t nr_told, cause; /* writes of registers; the one that led to what happens now */

	struct model_ram ram;
	unsigned int line;
	uint32_t write_back_limit, refill_limit, follow_limit; /* of 65536 */
	uint32_t chance_limit; /* the larger of the first two */
	uint16_t gaps[256];
	uint64_t fresh_key;

	uint64_t now;
	struct event *events;
	size_t nr_events, max_events;
	uint32_t event_number;

	struct irq_line irqs[MODEL_IRQS];
	uint64_t irqs_ready[(MODEL_IRQS + 63) / 64];
	uint64_t alarm_at;
	bool is_alarm_running;

	struct berth_cookies cookies;

	/* Threads that sleep in wait(): they look again when @kick changes. */
	struct waiter *waiters;
	uint32_t kick;
	unsigned int nr_asleep; /* since the last kick: who was kicked counts as awake at once */
	unsigned int nr_blocked; /* those that nothing known would wake */
	bool has_news; /* something that a waiting thread should see */
	uint64_t pace_ns; /* virtual time that was not waited for yet */
};

extern struct soc soc;

/* Where the model itself reaches C. */
static RAW inline uint8_t *c_at(uint64_t at)
{
	if (__builtin_expect(soc.ram.alias != NULL, 0) &&
	    !__atomic_load_n(&soc.ram.direct[at / MODEL_PAGE], __ATOMIC_RELAXED))
		return soc.ram.alias + at;
	return soc.ram.c + at;
}

/* model.c */
void model_enter(uint64_t cost_ns);
void model_leave(void);
uint64_t model_draw(enum chance chance);
uint32_t model_chance(enum chance chance, uint32_t bound);
uint64_t model_mix(uint64_t value);
void model_note(enum note note, uint64_t a, uint64_t b);
void model_note_data(const void *data, size_t size);
void model_oom(void) __attribute__((noreturn));

const struct model_device_type *model_type(const char *compatible);

/* tree.c: instantiate the devices of the tree. 0 or a negative errno value with its reason. */
int tree_start(const void *fdt);
void tree_stop(void);
static inline struct box *box_of(struct model_device *dev)
{
	return (struct box *)(void *)dev;
}

/* sched.c */
void sched_advance(uint64_t to_ns);
uint64_t sched_next(void);
uint64_t sched_now(void);
int sched_wait(const uint32_t *word, uint32_t value, uint64_t deadline_ns);
void sched_wake(const uint32_t *word);
void sched_delay(uint64_t ns);
void sched_barrier(unsigned int orders);
void sched_kick(void);

/* watch.c: the checker is told. With the lock. */
void watch_device(const struct model_device *dev, uint64_t bus, size_t size, bool is_write);
void watch_told(const struct model_device *dev, bool by_cpu);
/* Without. */
void watch_ordered(unsigned int what);

/* irq.c */
int gic_unmask(unsigned int irq, bool level);
void gic_mask(unsigned int irq);
void irq_alarm(uint64_t at_ns);
bool irq_is_ready(void);
void irq_deliver(void);

/* mmio.c */
void *mmio_map(phys_addr_t phys, uint64_t size);
void mmio_unmap(void *cookie);
uint64_t mmio_read(const volatile void *cookie, unsigned int bytes);
void mmio_write(volatile void *cookie, unsigned int bytes, uint64_t value);
/* The device whose registers are there. */
struct model_device *mmio_device(phys_addr_t phys);
int mmio_start(void);
void mmio_stop(void);

/* ram.c */
int ram_start(const struct berth_port_ram *ram, struct berth_port_linear *linear);
void ram_stop(void);
bool ram_can_trap(void);
/* Pages that get another file, or none of the linear map's. */
void ram_set_direct(phys_addr_t phys, uint64_t size, bool is_direct);
void *ram_remap(phys_addr_t phys, uint64_t size, enum berth_memory_type type);
void ram_unremap(void *virt, phys_addr_t phys, uint64_t size);
int ram_locate(phys_addr_t phys, uint64_t size, uint64_t *offset);
void ram_copy(phys_addr_t to, phys_addr_t from, uint64_t size);
/* The bytes from @phys on that are in one range of the list, at most @size; 0: none. */
uint64_t ram_run(const struct berth_range *list, unsigned int nr, phys_addr_t phys, uint64_t size);
bool ram_is_uncached(phys_addr_t phys);

/* Where a byte of a bank lies in the files; UINT64_MAX if it is none. */
uint64_t ram_offset(phys_addr_t phys);
/* A register access that is one to RAM outside the linear map; false if it is not. */
bool ram_access(phys_addr_t phys, unsigned int bytes, uint64_t *value, bool is_write);

/* view.c */
int view_show(phys_addr_t phys, uint64_t size, enum berth_memory_type type, uint64_t *offset);
void view_hide(phys_addr_t phys, uint64_t size, enum berth_memory_type type);
int view_share(phys_addr_t phys, uint64_t size, enum berth_memory_type type, uint64_t *offset);
void view_unshare(phys_addr_t phys, uint64_t size, enum berth_memory_type type);
void *view_area(enum berth_memory_type type, phys_addr_t *base, uint64_t *size);
/* Whether a page outside the linear map has a cached view, and so a cache line may hold it. */
static inline bool view_is_cached(phys_addr_t phys)
{
	return soc.ram.nr_viewed && soc.ram.views[(phys - soc.ram.base) / MODEL_PAGE];
}

/* cache.c */
unsigned int cache_line_size(void);
void cache_set_chances(void);
void cache_clean(phys_addr_t phys, uint64_t size);
void cache_invalidate(phys_addr_t phys, uint64_t size);
void cache_flush(phys_addr_t phys, uint64_t size);
void cache_fresh(void *virt, size_t size);
bool cache_fresh_word(const void *virt, uint64_t *word);
/* The same without counting as an operation, for the model's own use; whole lines. */
void cache_flush_lines(phys_addr_t phys, uint64_t size);
void cache_drop_lines(phys_addr_t phys, uint64_t size);
/* The lines that a transfer touches get their chance: before a read, after a write. */
void cache_before_device_read(phys_addr_t phys, uint64_t size);
void cache_after_device_write(phys_addr_t phys, uint64_t size);
void cache_before_coherent_read(phys_addr_t phys, uint64_t size);
void cache_before_coherent_write(phys_addr_t phys, uint64_t size);
/* A coherent device's write, inside the linear map. */
void cache_coherent_write(phys_addr_t phys, const void *buffer, uint64_t size);

/*
 * dma.c: accesses of an IOMMU of its own, by physical address; -EFAULT if not all of it is RAM. A
 * write reaches registers as well. To peek has no effect on the caches, and is no event.
 */
int dma_read_physical(struct model_device *dev, phys_addr_t phys, void *buffer, size_t size);
int dma_write_physical(struct model_device *dev, phys_addr_t phys, const void *buffer, size_t size);
int dma_peek(const struct model_device *dev, phys_addr_t phys, void *buffer, size_t size);

/* raw.c: touches C and D as hardware does, unseen by sanitizers */
void raw_read(void *buffer, const uint8_t *memory, uint64_t size);
void raw_write(uint8_t *memory, const void *buffer, uint64_t size);
void raw_invert(uint8_t *memory, const uint8_t *other, uint64_t size);
static inline uint64_t raw_fill_word(phys_addr_t phys, uint64_t key)
{
	return ((phys & ~7ull) ^ key) * 0x9e3779b97f4a7c15ull | 1;
}
void raw_fill(uint8_t *memory, phys_addr_t phys, uint64_t size, uint64_t key);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of this port share. */
#ifndef PORT_INTERNAL_H
#define PORT_INTERNAL_H

#include <berth/errno.h>
#include <berth/port.h>
#include <berth/aarch64.h>

#include "board.h"

#define PAGE_SHIFT 12
#define PAGE_BYTES 4096ul
#define PAGE_ROUND(n) (((n) + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1))

#define PTE_VALID 1ull
#define PTE_ADDRESS 0x0000fffffffff000ull
/* For software. RAM that is not part of the linear map: */
#define PTE_NOMAP (1ull << 55)
/* a table that berth_table_alloc() has given, */
#define PTE_LENT (1ull << 56)
/* a block that was joined, and whose table is kept. */
#define PTE_KEPT (1ull << 57)

#define read_sysreg(name)                                                   \
	({                                                                  \
		uint64_t value_;                                            \
		__asm__ volatile("mrs %0, " name : "=r"(value_)::"memory"); \
		value_;                                                     \
	})
#define write_sysreg(name, value) \
	__asm__ volatile("msr " name ", %x0" ::"rZ"((uint64_t)(value)) : "memory")
#define isb() __asm__ volatile("isb" ::: "memory")
#define dsb(domain) __asm__ volatile("dsb " #domain ::: "memory")

/* Everything that the port itself keeps about a CPU. */
struct berth_a64_cpu {
	uint32_t state; /* see smp.c */
	void (*fn)(void *);
	void *arg;
	uint64_t ttbr0; /* what the CPU has loaded */
	uint64_t deadline_ns; /* of the wait or delay it is in */
	uintptr_t gicr;
	uint32_t traps;
} __attribute__((aligned(128)));

extern struct berth_a64_cpu berth_a64_cpus[BERTH_PORT_MAX_SLOTS];

static inline struct berth_a64_cpu *this_cpu(void)
{
	return &berth_a64_cpus[berth_port_slot()];
}

/* A lock that needs nothing of berth's; interrupts are away while it is held. */
struct berth_a64_lock {
	uint32_t word;
};

static inline unsigned long berth_a64_lock(struct berth_a64_lock *lock)
{
	unsigned long flags = berth_port_irq_save();

	while (__atomic_exchange_n(&lock->word, 1, __ATOMIC_ACQUIRE))
		berth_port_relax();
	return flags;
}

static inline void berth_a64_unlock(struct berth_a64_lock *lock, unsigned long flags)
{
	__atomic_store_n(&lock->word, 0, __ATOMIC_RELEASE);
	berth_port_irq_restore(flags);
}

/* link.ld */
extern char __image_start[], __text_end[], __rodata_end[], __image_end[];
/* boot.S: a page that is never mapped, then the stack; and where faults are handled */
extern char berth_a64_stacks[BERTH_PORT_MAX_SLOTS][PAGE_BYTES + PORT_STACK_SIZE];
extern char berth_a64_trap_stacks[BERTH_PORT_MAX_SLOTS][PORT_TRAP_STACK_SIZE];
void berth_a64_secondary_entry(void);
/* tables.S */
extern uint64_t berth_a64_boot_l1[512], berth_a64_linear_l1[512];
extern uint64_t berth_a64_io_l2[512], berth_a64_io_l3[PORT_IO_TABLES * 512];

/* gic.c; the numbers are SGIs */
enum { PORT_SGI_WAKE, PORT_SGI_TABLES };
void berth_a64_gic_init(void);
void berth_a64_gic_init_cpu(void);
void berth_a64_gic_quiet(void);
void berth_a64_gic_broadcast(unsigned int sgi);

/* timer.c */
#define PORT_TIMER_IRQ 27u
void berth_a64_timer_init_cpu(void);
void berth_a64_timer_interrupt(void);

/* split.c */

/* An entry of the linear map's tables: of a block or a page of 1 << shift bytes. */
struct berth_a64_place {
	uint64_t *entry;
	unsigned int shift;
};

/* Tables that are in no use. */
struct berth_a64_spare {
	uint64_t *first;
	unsigned int nr;
};

/* Of the linear map's tables, and of range.c's entries. A leaf, and held while they are read. */
extern struct berth_a64_lock berth_a64_tables_lock;

/* False: no RAM can be there. */
bool berth_a64_find(phys_addr_t phys, struct berth_a64_place *place);
bool berth_a64_translates(uintptr_t virt, bool is_write);
bool berth_a64_settles(uintptr_t virt, bool is_write);
/* Without the lock: tables until there are @nr; false if there are no more. And all of them back. */
bool berth_a64_spare_get(struct berth_a64_spare *spare, unsigned int nr);
void berth_a64_spare_put(struct berth_a64_spare *spare);
/* With the lock: how many it takes, at most, to split a range off, or to divide it into pages. */
unsigned int berth_a64_tables_needed(phys_addr_t phys, uint64_t size);
unsigned int berth_a64_tables_needed_pages(phys_addr_t phys, uint64_t size);
/* With the lock, and so many in @spare. */
void berth_a64_split(phys_addr_t phys, uint64_t size, struct berth_a64_spare *spare);
void berth_a64_split_pages(phys_addr_t phys, uint64_t size, struct berth_a64_spare *spare);
/* With the lock: join what can be joined; tables that nobody needs any more go to @spare. */
void berth_a64_join(phys_addr_t phys, uint64_t size, struct berth_a64_spare *spare);
/* With the lock: a block with PTE_KEPT changes whole, and needs its table no more. */
void berth_a64_unkeep(struct berth_a64_spare *spare);
/* What @parent says, as a table of the next level. */
void berth_a64_table_fill(uint64_t *table, const struct berth_a64_place *parent);
void berth_a64_split_stop(void);

/* mmu.c */
void berth_a64_mmu_init_cpu(void);
void berth_a64_mmu_adopt(void);
extern uint64_t berth_a64_ttbr0;
void berth_a64_mmu_hold(void);
void berth_a64_mmu_release(void);
void berth_a64_mmu_stop(void);
bool berth_a64_mmu_is_ram(phys_addr_t phys, uint64_t size);
/* RAM of which all is outside the linear map and has no mapping at all. */
bool berth_a64_mmu_is_spare(phys_addr_t phys, uint64_t size);
/*
 * With the lock: what a page is. NOMAP: outside the linear map, whether range.c shows it or not;
 * CACHED, UNCACHED: in it, as it is or by berth_port_remap(); NONE: anything else.
 */
enum berth_a64_kind { RAM_NONE, RAM_NOMAP, RAM_CACHED, RAM_UNCACHED };
enum berth_a64_kind berth_a64_kind_of(phys_addr_t phys);
/* With the lock. Count cached mappings of a page outside the linear map: how many there were before. */
unsigned int berth_a64_mmu_view(phys_addr_t phys, int more);
/* range.c */
int berth_a64_ranges_start(const struct berth_port_ram *ram, uint64_t mapped);
void berth_a64_ranges_stop(void);
/* Pages outside the linear map that have a cached mapping. */
extern uint64_t berth_a64_nr_views;
/* Maintain a part of a page through a mapping, if it is one of them. */
bool berth_a64_view_op(phys_addr_t phys, uint64_t size, void (*op)(uintptr_t virt, uint64_t size));
/* With the lock. Another address for a page, until it is closed: it is cached. */
uintptr_t berth_a64_window_open(phys_addr_t page);
void berth_a64_window_close(void);
/* ioremap.c */
void berth_a64_ioremap_stop(void);

/* cache.c: by CPU address, whatever it is mapped as */
void berth_a64_cache_flush_virt(uintptr_t virt, uint64_t size);

/* smp.c */
void berth_a64_smp_init(unsigned int boot_el);
uint32_t berth_a64_cpus_online(void);
void berth_a64_secondary(void);

/* start.c */
void berth_a64_boot(const void *fdt, unsigned int boot_el);

/* console.c */
void berth_a64_puts(const char *text);
void berth_a64_puthex(uint64_t value);
void berth_a64_console_seize(void);
unsigned int berth_a64_walk_frames(uintptr_t fp, uintptr_t *frames, unsigned int max);

/* trap.c: as vectors.S stores it */
struct berth_a64_trap_frame {
	uint64_t x[31];
	uint64_t sp, elr, spsr, esr, far;
};

void berth_a64_irq(void);
void berth_a64_trap(struct berth_a64_trap_frame *frame, unsigned int kind);

/* bytes.c */
void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);

int main(void);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of this port share. */
#ifndef PORT_INTERNAL_H
#define PORT_INTERNAL_H

#include <berth/errno.h>
#include <berth/port.h>
#include <berth/aarch64.h>

#include "layout.h"

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
	char __iomem *irq_frame, *gicr; /* a GIC's: SGIs and PPIs; the redistributor */
	uint32_t traps;
} __attribute__((aligned(128)));

extern struct berth_a64_cpu berth_a64_cpus[BERTH_PORT_MAX_SLOTS];
/* Their affinities, as MPIDR_EL1 has them. */
extern uint64_t berth_a64_cpu_ids[BERTH_PORT_MAX_SLOTS];

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

/* link.ld; the first is an address only, which may be 0 */
extern char __ram_start[];
extern char __image_start[], __text_end[], __rodata_end[], __image_end[];
/* boot.S: a page that is never mapped, then the stack; and where faults are handled */
extern char berth_a64_stacks[BERTH_PORT_MAX_SLOTS][PAGE_BYTES + PORT_STACK_SIZE];
extern char berth_a64_trap_stacks[BERTH_PORT_MAX_SLOTS][PORT_TRAP_STACK_SIZE];
void berth_a64_secondary_entry(void);
/* tables.S */
extern uint64_t berth_a64_boot_l1[512], berth_a64_boot_l2[PORT_BOOT_GIBS * 512];
extern uint64_t berth_a64_linear_l1[512];
extern uint64_t berth_a64_io_l1[512], berth_a64_tree_l3[512], berth_a64_own_l3[512];
extern uint64_t berth_a64_io_l2[512], berth_a64_io_l3[PORT_IO_TABLES * 512];

/* irq.c; the numbers are of interrupts that CPUs send each other */
enum { PORT_SGI_WAKE, PORT_SGI_TABLES };
void berth_a64_irq_init(void);
void berth_a64_irq_init_cpu(void);
/* Mask and forget all interrupts but those that the port itself lives on. */
void berth_a64_irq_quiet(void);
/* To all CPUs but this one. */
void berth_a64_irq_broadcast(unsigned int sgi);
/* This CPU is in a handler, and nothing else would end a WFI there. */
bool berth_a64_irq_holds_back(void);

/* An interrupt controller. Each function is called as the one of irq.c, or of port.h, of its name. */
struct berth_a64_irqchip {
	/* With its node of the tree, on CPU 0: 0, or negative if the tree does not say enough. */
	int (*start)(int node);
	void (*start_cpu)(void);
	void (*quiet)(void);
	int (*unmask)(unsigned int irq, bool level);
	void (*mask)(unsigned int irq);
	void (*broadcast)(unsigned int sgi);
	bool (*holds_back)(void);
	/* Give what is pending to these two. */
	void (*handle)(void);
};
void berth_a64_timer_interrupt(void);
extern unsigned int berth_a64_unhandled;
void berth_a64_irq_unhandled(unsigned int irq);

/* @timer: the number of the CPU's own. */
static inline void berth_a64_irq_take(unsigned int irq, unsigned int timer)
{
	if (irq == timer)
		berth_a64_timer_interrupt();
	else if (berth_irq_handle(irq))
		berth_a64_unhandled = 0;
	else
		berth_a64_irq_unhandled(irq);
}

void berth_a64_irq_take_sgi(unsigned int sgi);

/* gicv2.c, gicv3.c, bcm2836.c */
extern const struct berth_a64_irqchip berth_a64_gicv2, berth_a64_gicv3, berth_a64_bcm2836;

/* tree.c */

/* At the start of RAM, or else at @hint. */
void berth_a64_tree_find(phys_addr_t hint);
/* Where it lies; false if there is none. */
bool berth_a64_tree_place(struct berth_range *range);
/*
 * The first node, and the entry that it is compatible with, of an array of @nr entries of @stride bytes
 * that begin with a const char *. Negative if there is none.
 */
int berth_a64_tree_match(const void *entries, unsigned int nr, size_t stride, int *node);
/* The same, but what /chosen names comes first. */
int berth_a64_tree_stdout(const void *entries, unsigned int nr, size_t stride, int *node);
/* The @index-th entry of reg, as the CPU sees it; false if there is none, or the CPU does not see it. */
bool berth_a64_tree_reg(int node, int index, struct berth_range *range);
/* The affinities of the CPUs, or of those with this enable-method. Return: how many. */
unsigned int berth_a64_tree_cpus(uint64_t *ids, unsigned int max, const char *method);
/* How PSCI is called: 's' for SMC, 'h' for HVC, 0 for not at all. */
char berth_a64_tree_psci(void);

/* uart.c */
void berth_a64_uart_init(void);
/* False: there is none yet. */
bool berth_a64_uart_put(unsigned char byte);

/* timer.c */
void berth_a64_timer_init_cpu(void);

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
void __iomem *berth_a64_map_own(phys_addr_t phys, uint64_t size);
void berth_a64_ioremap_stop(void);

/* cache.c: by CPU address, whatever it is mapped as */
void berth_a64_cache_flush_virt(uintptr_t virt, uint64_t size);

/* smp.c */
void berth_a64_smp_init(void);
uint32_t berth_a64_cpus_online(void);
void berth_a64_secondary(void);

/* start.c */
void berth_a64_boot(phys_addr_t hint, unsigned int boot_el);
/* This firmware was entered at EL3: nobody is below, and security states are its own business. */
bool berth_a64_is_secure(void);
/* Then: a write as the secure world does it. */
void berth_a64_secure_write(phys_addr_t phys, uint32_t value);

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

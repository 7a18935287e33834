/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of this port share. */
#ifndef PORT_INTERNAL_H
#define PORT_INTERNAL_H

#include <berth/errno.h>
#include <berth/port.h>
#include <berth/arm.h>

#include "board.h"

#define PAGE_BYTES 4096u
#define PAGE_ROUND(n) (((n) + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1))
#define MIB_SHIFT 20
#define MIB (1ull << MIB_SHIFT)
#define NEVER UINT64_MAX

#define PTE_ADDRESS 0xfffff000u
/* RAM outside the linear map: in an entry that is valid (as nG, of which the MMU makes nothing here), */
#define PTE_SPARE (1u << 11)
/* and in one that is not, where range.c's cached mappings of the page are counted above it. */
#define ENTRY_NOMAP (1u << 2)
#define VIEW_SHIFT 3

#define read_cp15(name)                                                      \
	({                                                                   \
		uint32_t value_;                                             \
		__asm__ volatile("mrc p15, " name : "=r"(value_)::"memory"); \
		value_;                                                      \
	})
/* "opc1, %0, CRn, CRm, opc2" */
#define write_cp15(name, value) \
	__asm__ volatile("mcr p15, " name ::"r"((uint32_t)(value)) : "memory")
#define isb() __asm__ volatile("isb" ::: "memory")
#define dsb() __asm__ volatile("dsb sy" ::: "memory")

static inline uint32_t read_reg(uintptr_t base, uintptr_t reg)
{
	return berth_port_read32((const volatile void __iomem *)(base + reg));
}

static inline void write_reg(uintptr_t base, uintptr_t reg, uint32_t value)
{
	berth_port_write32((volatile void __iomem *)(base + reg), value);
}

static inline void *to_virt(phys_addr_t phys)
{
	return (void *)((uintptr_t)phys + PORT_RAM_OFFSET);
}

static inline phys_addr_t to_phys(const void *virt)
{
	return (uintptr_t)virt - PORT_RAM_OFFSET;
}

/* link.ld */
extern char __image_start[], __text_end[], __rodata_end[], __image_end[];
/* boot.S */
extern char berth_arm_stack[PAGE_BYTES + PORT_STACK_SIZE];
extern char berth_arm_trap_stack[PORT_TRAP_STACK_SIZE];
/* tables.S */
extern uint32_t berth_arm_l1[4096];
extern uint32_t berth_arm_image_l2[PORT_IMAGE_MIB * 256], berth_arm_io_l2[PORT_IO_MIB * 256];

/* gic.c */
#define PORT_TIMER_IRQ 27u
void berth_arm_gic_init(void);
void berth_arm_gic_quiet(void);
/* Whether the CPU is in an interrupt's handler, where no other arrives. */
bool berth_arm_gic_is_busy(void);

/* timer.c */
void berth_arm_timer_init(void);
void berth_arm_timer_interrupt(void);

/* mmu.c; the functions that look at entries or change them are called with interrupts away */
void berth_arm_mmu_init(void);
void berth_arm_mmu_stop(void);
/* Whether the linear map shows a page, as whatever. */
bool berth_arm_is_mapped(phys_addr_t phys);
bool berth_arm_is_ram(phys_addr_t phys, uint64_t size);
/* RAM of which all is outside the linear map and has no mapping at all. */
bool berth_arm_is_spare(phys_addr_t phys, uint64_t size);
/*
 * What a page is. NOMAP: outside the linear map, whether range.c shows it or not; CACHED, UNCACHED: in
 * it, as it is or by berth_port_remap(); NONE: anything else.
 */
enum berth_arm_kind { RAM_NONE, RAM_NOMAP, RAM_CACHED, RAM_UNCACHED };
enum berth_arm_kind berth_arm_kind_of(phys_addr_t phys);
/* Count cached mappings of a page outside the linear map: how many there were before. */
uint32_t berth_arm_view(phys_addr_t phys, int more);
/* An empty table of the second level, as the first level has it; 0: no memory. A page is four: @rest begins with 0. */
#define TABLE_BYTES 1024u
uint32_t berth_arm_table(const struct berth_port_ram *ram, phys_addr_t *rest);
/* Entries have become invalid: the TLB forgets them. Or valid: it may read them. */
void berth_arm_forget(uintptr_t virt, uint64_t size);
void berth_arm_forget_all(void);
void berth_arm_written(void);

/* range.c */
int berth_arm_ranges_start(const struct berth_port_ram *ram, phys_addr_t *rest);
void berth_arm_ranges_stop(void);
/* Another address for a page, until it is closed: it is cached. */
uintptr_t berth_arm_window_open(phys_addr_t page);
void berth_arm_window_close(void);

/* ioremap.c */
void berth_arm_ioremap_stop(void);

/* cache.c */
void berth_arm_cache_init(void);
/* By CPU address, whatever it is mapped as; the outer cache by @phys. */
void berth_arm_flush(uintptr_t virt, phys_addr_t phys, uint64_t size);

/* start.c */
void berth_arm_boot(const void *fdt);

/* console.c */
void berth_arm_puts(const char *text);
void berth_arm_puthex(uint32_t value);
bool berth_arm_is_text(uintptr_t at);
unsigned int berth_arm_walk_frames(uintptr_t fp, uintptr_t *frames, unsigned int max);

/* trap.c: as vectors.S stores it */
struct berth_arm_trap_frame {
	uint32_t r[13], sp, lr, pc, psr;
};

void berth_arm_irq(void);
void berth_arm_trap(const struct berth_arm_trap_frame *frame, unsigned int kind)
	__attribute__((noreturn));

/* bytes.c */
void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);

int main(void);

#endif

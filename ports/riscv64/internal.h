/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of this port share. */
#ifndef PORT_INTERNAL_H
#define PORT_INTERNAL_H

#include <berth/errno.h>
#include <berth/port.h>
#include <berth/riscv64.h>

#include "board.h"

#define PAGE_BYTES 4096ul
#define PAGE_ROUND(n) (((n) + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1))

#define MSTATUS_MIE 8ul

#define read_csr(name)                                                       \
	({                                                                   \
		uint64_t value_;                                             \
		__asm__ volatile("csrr %0, " name : "=r"(value_)::"memory"); \
		value_;                                                      \
	})
#define write_csr(name, value) \
	__asm__ volatile("csrw " name ", %z0" ::"rJ"((uint64_t)(value)) : "memory")

/* start.c: what the device tree says of the machine; constant from the first CPU's start on. */
struct berth_rv_board {
	char __iomem *uart;
	bool uart_is_16550;
	char __iomem *clint;
	char __iomem *plic;
	uint64_t timer_hz;
	unsigned int nr_cpus;
	unsigned int nr_irqs; /* of the PLIC: 1 to nr_irqs */
	unsigned int plic_context; /* of CPU 0, machine mode */
	unsigned int cbom_size; /* bytes of a block that Zicbom works on, 0 without it */
};
extern struct berth_rv_board berth_rv_board;

/* Everything that the port itself keeps about a CPU. */
struct berth_rv_cpu {
	uint32_t state; /* see cpus.c */
	void (*fn)(void *);
	void *arg;
	uint64_t deadline_ns; /* of the wait or delay it is in */
	uint32_t traps;
} __attribute__((aligned(64)));

extern struct berth_rv_cpu berth_rv_cpus[BERTH_PORT_MAX_SLOTS];

static inline struct berth_rv_cpu *this_cpu(void)
{
	return &berth_rv_cpus[berth_port_slot()];
}

/* A lock that needs nothing of berth's; interrupts are away while it is held. */
struct berth_rv_lock {
	uint32_t word;
};

static inline unsigned long berth_rv_lock(struct berth_rv_lock *lock)
{
	unsigned long flags = berth_port_irq_save();

	while (__atomic_exchange_n(&lock->word, 1, __ATOMIC_ACQUIRE))
		berth_port_relax();
	return flags;
}

static inline void berth_rv_unlock(struct berth_rv_lock *lock, unsigned long flags)
{
	__atomic_store_n(&lock->word, 0, __ATOMIC_RELEASE);
	berth_port_irq_restore(flags);
}

/* link.ld */
extern char __image_start[], __image_end[];
/* boot.S; a trap frame: the registers, with the program counter in the place of x0 */
extern char berth_rv_stacks[BERTH_PORT_MAX_SLOTS][PORT_STACK_STRIDE];
extern char berth_rv_trap_stacks[BERTH_PORT_MAX_SLOTS][PORT_TRAP_STACK_SIZE];
void berth_rv_park(void);
struct berth_rv_frame {
	uint64_t x[32];
};

/* irq.c */
void berth_rv_plic_init(void);
void berth_rv_plic_quiet(void);
void berth_rv_plic_interrupt(void);

/* timer.c */
void berth_rv_timer_init_cpu(void);
void berth_rv_timer_interrupt(void);

/* cpus.c */
void berth_rv_cpus_init(void);
void berth_rv_secondary(void);
void berth_rv_call_cpu(unsigned int cpu);
void berth_rv_call_others(void);
void berth_rv_answer(void);
/* A bit for each that has been called; read in boot.S. */
extern uint32_t berth_rv_called;

/* start.c */
void berth_rv_boot(const void *fdt);

/* console.c */
void berth_rv_puts(const char *text);
void berth_rv_puthex(uint64_t value);
void berth_rv_console_seize(void);
void berth_rv_put_frames(uintptr_t fp, uintptr_t ra);

/* trap.c */
void berth_rv_interrupt(uint64_t cause);
void berth_rv_exception(const struct berth_rv_frame *frame);

/* bytes.c */
void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);

int main(void);

#endif

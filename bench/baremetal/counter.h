/* SPDX-License-Identifier: BSD-2-Clause */
/* Instructions that the machine has executed; QEMU counts them if it is started with -icount shift=0,sleep=off. */
#ifndef BENCH_BAREMETAL_COUNTER_H
#define BENCH_BAREMETAL_COUNTER_H

#include <berth/port.h>

#if defined(__aarch64__)

#define INST_RETIRED 8ull
#define COUNT_INSTRUCTIONS (1ull << 0)
#define COUNT_CYCLES (1ull << 31)

static bool has_cycles_only;

/* They have 32 bits. */
static inline uint32_t instructions(void)
{
	uint64_t count;

	if (has_cycles_only)
		__asm__ volatile("isb\n\tmrs %0, pmccntr_el0" : "=r"(count)::"memory");
	else
		__asm__ volatile("isb\n\tmrs %0, pmevcntr0_el0" : "=r"(count)::"memory");
	return (uint32_t)count;
}

/* Event counters stand still on some boards, the cycle counter does not. To QEMU a cycle is an instruction. */
static inline void set_up_counter(void)
{
	uint64_t events;
	uint32_t start;

	__asm__ volatile("mrs %0, pmceid0_el0" : "=r"(events));
	__asm__ volatile("msr pmevtyper0_el0, %0\n\t"
			 "msr pmcntenset_el0, %1\n\t"
			 "msr pmcr_el0, %2\n\t"
			 "isb" ::"r"(INST_RETIRED),
			 "r"(COUNT_INSTRUCTIONS | COUNT_CYCLES), "r"(3ull));
	start = instructions();
	has_cycles_only = !(events >> INST_RETIRED & 1) || instructions() == start;
}

#elif defined(__riscv)

static inline uint32_t instructions(void)
{
	uint64_t count;

	__asm__ volatile("csrr %0, minstret" : "=r"(count)::"memory");
	return (uint32_t)count;
}

#else

/* QEMU's Cortex-A9 counts none, but each takes a nanosecond of the machine's time. */
static inline uint32_t instructions(void)
{
	return (uint32_t)berth_port_now();
}

#endif

#ifndef __aarch64__
static inline void set_up_counter(void)
{
}
#endif

#define CALIBRATION 100000u

/*
 * False: this machine does not count instructions. They are known of a loop, to 1 %: some more before and behind,
 * and a timer's tick.
 */
static inline bool start_counter(void)
{
	unsigned long left = CALIBRATION / 2;
	uint32_t start, took;

	set_up_counter();
	start = instructions();
#if defined(__riscv)
	__asm__ volatile("1:\n\taddi %0, %0, -1\n\tbnez %0, 1b" : "+r"(left));
#else
	__asm__ volatile("1:\n\tsubs %0, %0, #1\n\tbne 1b" : "+r"(left)::"cc");
#endif
	took = instructions() - start;
	return took >= CALIBRATION && took <= CALIBRATION + CALIBRATION / 100;
}

#endif

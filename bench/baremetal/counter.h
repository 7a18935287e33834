/* SPDX-License-Identifier: BSD-2-Clause */
/* Instructions that the machine has executed; QEMU counts them if it is started with -icount shift=0,sleep=off. */
#ifndef BENCH_BAREMETAL_COUNTER_H
#define BENCH_BAREMETAL_COUNTER_H

#include <berth/port.h>

#if defined(__aarch64__)

#define INST_RETIRED 8u

/* False: this machine does not count instructions. */
static inline bool start_counter(void)
{
	uint64_t events;

	__asm__ volatile("mrs %0, pmceid0_el0" : "=r"(events));
	if (!(events >> INST_RETIRED & 1))
		return false;
	__asm__ volatile("msr pmevtyper0_el0, %0\n\t"
			 "msr pmcntenset_el0, %1\n\t"
			 "msr pmcr_el0, %2\n\t"
			 "isb" ::"r"((uint64_t)INST_RETIRED),
			 "r"(1ull), "r"(3ull));
	return true;
}

/* It has 32 bits. */
static inline uint32_t instructions(void)
{
	uint64_t count;

	__asm__ volatile("isb\n\tmrs %0, pmevcntr0_el0" : "=r"(count)::"memory");
	return (uint32_t)count;
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
#define CALIBRATION 100000u

/* A loop of which the number of instructions is known, to 1 %: one or two more, and the timer's tick. */
static inline bool start_counter(void)
{
	unsigned long left = CALIBRATION / 2;
	uint32_t start = instructions(), took;

#if defined(__riscv)
	__asm__ volatile("1:\n\taddi %0, %0, -1\n\tbnez %0, 1b" : "+r"(left));
#else
	__asm__ volatile("1:\n\tsubs %0, %0, #1\n\tbne 1b" : "+r"(left)::"cc");
#endif
	took = instructions() - start;
	return took >= CALIBRATION && took <= CALIBRATION + CALIBRATION / 100;
}
#endif

#endif

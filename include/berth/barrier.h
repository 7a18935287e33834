/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: barrier - the order of atomic accesses, where there may be one CPU only
 *
 * BERTH_SMP_ACQUIRE and its like are the __ATOMIC ones of that name, with berth_smp_order() next to the access:
 * behind it for ACQUIRE, in front of it for RELEASE, on both sides for the others. Where there is one CPU
 * (BERTH_PORT_ONE_CPU) nobody else sees an order but an interrupt, for which the compiler's is enough, and no
 * barrier costs time. Not for memory or registers that a device sees: those have mb() and its like.
 */
#ifndef BERTH_BARRIER_H
#define BERTH_BARRIER_H

#include <berth/port.h>

BERTH_BEGIN_DECLS

#ifdef BERTH_PORT_ONE_CPU
#define BERTH_SMP_ACQUIRE __ATOMIC_RELAXED
#define BERTH_SMP_RELEASE __ATOMIC_RELAXED
#define BERTH_SMP_ACQ_REL __ATOMIC_RELAXED
#define BERTH_SMP_SEQ_CST __ATOMIC_RELAXED
#else
#define BERTH_SMP_ACQUIRE __ATOMIC_ACQUIRE
#define BERTH_SMP_RELEASE __ATOMIC_RELEASE
#define BERTH_SMP_ACQ_REL __ATOMIC_ACQ_REL
#define BERTH_SMP_SEQ_CST __ATOMIC_SEQ_CST
#endif

/** berth_smp_order() - the compiler moves nothing across, where the CPU has not to be told. Any context. */
static inline void berth_smp_order(void)
{
#ifdef BERTH_PORT_ONE_CPU
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
#endif
}

BERTH_END_DECLS

#endif

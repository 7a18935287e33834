/* SPDX-License-Identifier: BSD-2-Clause */
/* What CMSIS drivers are written with, on the compiler of the host. */
#ifndef BERTH_FRONT_CMSIS_COMPILER_H
#define BERTH_FRONT_CMSIS_COMPILER_H

#include <stdint.h>

#include <berth/io.h>

#ifndef __STATIC_INLINE
#define __STATIC_INLINE static inline
#endif
#ifndef __STATIC_FORCEINLINE
#define __STATIC_FORCEINLINE __attribute__((always_inline)) static inline
#endif
#ifndef __ALIGNED
#define __ALIGNED(x) __attribute__((aligned(x)))
#endif
#ifndef __PACKED
#define __PACKED __attribute__((packed, aligned(1)))
#endif
#ifndef __USED
#define __USED __attribute__((used))
#endif
#ifndef __WEAK
#define __WEAK __attribute__((weak))
#endif
#ifndef __I
#define __I volatile const
#define __O volatile
#define __IO volatile
#define __IM volatile const
#define __OM volatile
#define __IOM volatile
#endif

/* As CMSIS has them: functions. */
__STATIC_FORCEINLINE void __DSB(void)
{
	berth_port_mb();
}

__STATIC_FORCEINLINE void __DMB(void)
{
	berth_port_mb();
}

__STATIC_FORCEINLINE void __ISB(void)
{
	__asm__ volatile("" ::: "memory");
}

#endif

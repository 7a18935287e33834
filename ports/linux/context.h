/* SPDX-License-Identifier: BSD-2-Clause */
/* What a signal has interrupted. */
#ifndef PORTS_LINUX_CONTEXT_H
#define PORTS_LINUX_CONTEXT_H

#include <stdint.h>
#include <ucontext.h>

/* Where the program was; 0 where that is not known. Inlined into handlers that no sanitizer may look at. */
static inline __attribute__((always_inline)) uintptr_t context_pc(const ucontext_t *context)
{
#if defined(__x86_64__)
	return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return (uintptr_t)context->uc_mcontext.pc;
#else
	(void)context;
	return 0;
#endif
}

#endif

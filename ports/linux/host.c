// SPDX-License-Identifier: BSD-2-Clause
/* What the process itself provides: barriers, sanitizers, output, the call stack. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "host.h"

uint32_t berth_port_guarded;

/* There only if the program has that sanitizer, whatever the library was built with. */
void __asan_poison_memory_region(const volatile void *addr, size_t size) __attribute__((weak));
void __asan_unpoison_memory_region(const volatile void *addr, size_t size) __attribute__((weak));
void __asan_get_shadow_mapping(size_t *scale, size_t *offset) __attribute__((weak));
void __tsan_acquire(void *addr) __attribute__((weak));
void __tsan_release(void *addr) __attribute__((weak));

/* The thread sanitizer does not model fences: one variable stands for all that they order. */
static char fence;

static void step(unsigned int orders)
{
	const struct berth_machine *machine = berth_port_machine();

	if (machine && machine->barrier)
		machine->barrier(orders);
}

static void fence_release(void)
{
	if (__tsan_release)
		__tsan_release(&fence);
}

static void fence_acquire(void)
{
	if (__tsan_acquire)
		__tsan_acquire(&fence);
}

#if defined(__x86_64__)
#define FENCE(name) __asm__ volatile(#name ::: "memory")
#else
/* Not the builtin: compilers refuse it with the thread sanitizer. */
#define FENCE(name) __sync_synchronize()
#endif

void berth_port_mb(void)
{
	FENCE(mfence);
	fence_release();
	step(BERTH_ORDERS_READS | BERTH_ORDERS_WRITES);
	fence_acquire();
}

void berth_port_rmb(void)
{
	step(BERTH_ORDERS_READS);
	FENCE(lfence);
	fence_acquire();
}

void berth_port_wmb(void)
{
	FENCE(sfence);
	fence_release();
	step(BERTH_ORDERS_WRITES);
}

void berth_port_dma_rmb(void)
{
	berth_port_rmb();
}

void berth_port_dma_wmb(void)
{
	berth_port_wmb();
}

void berth_port_do_poison(const void *addr, size_t size)
{
	const struct berth_port_watch *watch = __atomic_load_n(&berth_port_watch, __ATOMIC_ACQUIRE);

	if (watch)
		watch->freed(addr, size);
	if (__asan_poison_memory_region)
		__asan_poison_memory_region(addr, size);
}

void berth_port_do_unpoison(const void *addr, size_t size)
{
	const struct berth_machine *machine = berth_port_machine();

	if (__asan_unpoison_memory_region)
		__asan_unpoison_memory_region(addr, size);
	if (machine && machine->fresh)
		machine->fresh((void *)(uintptr_t)addr, size);
}

/* Dropping the shadow's pages is quicker than writing them, and gives them back. */
void berth_port_clear_poison(void *addr, uint64_t size)
{
	size_t scale, offset;
	uintptr_t start, end;

	if (!__asan_unpoison_memory_region || !__asan_get_shadow_mapping || !size)
		return;
	__asan_get_shadow_mapping(&scale, &offset);
	start = ((((uintptr_t)addr) >> scale) + offset + 4095) & ~(uintptr_t)4095;
	end = ((((uintptr_t)addr + size) >> scale) + offset) & ~(uintptr_t)4095;
	if (start >= end || madvise((void *)start, end - start, MADV_DONTNEED)) {
		__asan_unpoison_memory_region(addr, size);
		return;
	}
	start = ((start - offset) << scale) - (uintptr_t)addr;
	end = ((end - offset) << scale) - (uintptr_t)addr;
	__asan_unpoison_memory_region(addr, start);
	__asan_unpoison_memory_region((char *)addr + end, size - end);
}

/* Called once per start: later ones must not have to load libgcc. */
void berth_port_host_start(bool has_fresh)
{
	uintptr_t frame;

	berth_port_backtrace(&frame, 1);
	__atomic_store_n(&berth_port_guarded, has_fresh || __asan_poison_memory_region != NULL,
			 __ATOMIC_RELAXED);
}

void berth_port_print(const char *text, size_t length)
{
	while (length) {
		ssize_t done = write(STDERR_FILENO, text, length);

		if (done <= 0)
			return;
		text += done;
		length -= (size_t)done;
	}
}

void berth_port_panic(const char *message)
{
	berth_port_print("berth: ", 7);
	berth_port_print(message, strlen(message));
	berth_port_print("\n", 1);
	abort();
}

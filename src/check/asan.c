// SPDX-License-Identifier: BSD-2-Clause
/*
 * Loads and stores of a program that is built with -fsanitize=kernel-address and all checks as calls: the compiler
 * puts a call of these before each access. The names are the compilers' (gcc, clang); a program that also
 * uses the address sanitizer of processes cannot be linked with them.
 */
#include "check/check.h"

#define HERE ((uintptr_t)__builtin_return_address(0))

static inline void look(uintptr_t at, uint64_t size, bool is_store, uintptr_t caller)
{
	if (berth_check_is_on())
		berth_check_cpu(at, size, is_store, caller);
}

#define ACCESS(size)                                                                           \
	void __asan_load##size##_noabort(uintptr_t at);                                        \
	void __asan_store##size##_noabort(uintptr_t at);                                       \
	__attribute__((visibility("default"))) void __asan_load##size##_noabort(uintptr_t at)  \
	{                                                                                      \
		look(at, size, false, HERE);                                                   \
	}                                                                                      \
	__attribute__((visibility("default"))) void __asan_store##size##_noabort(uintptr_t at) \
	{                                                                                      \
		look(at, size, true, HERE);                                                    \
	}

ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)

void __asan_loadN_noabort(uintptr_t at, size_t size);
void __asan_storeN_noabort(uintptr_t at, size_t size);
void __asan_handle_no_return(void);
void *__asan_memcpy(void *to, const void *from, size_t size);
void *__asan_memmove(void *to, const void *from, size_t size);
void *__asan_memset(void *to, int byte, size_t size);

__attribute__((visibility("default"))) void __asan_loadN_noabort(uintptr_t at, size_t size)
{
	look(at, size, false, HERE);
}

__attribute__((visibility("default"))) void __asan_storeN_noabort(uintptr_t at, size_t size)
{
	look(at, size, true, HERE);
}

__attribute__((visibility("default"))) void __asan_handle_no_return(void)
{
}

/* clang calls these for what the source calls memcpy(). */
__attribute__((visibility("default"))) void *__asan_memcpy(void *to, const void *from, size_t size)
{
	look((uintptr_t)from, size, false, HERE);
	look((uintptr_t)to, size, true, HERE);
	return __builtin_memcpy(to, from, size);
}

__attribute__((visibility("default"))) void *__asan_memmove(void *to, const void *from, size_t size)
{
	look((uintptr_t)from, size, false, HERE);
	look((uintptr_t)to, size, true, HERE);
	return __builtin_memmove(to, from, size);
}

__attribute__((visibility("default"))) void *__asan_memset(void *to, int byte, size_t size)
{
	look((uintptr_t)to, size, true, HERE);
	return __builtin_memset(to, byte, size);
}

/* What front/memory.h makes of memcmp(). */
int berth_checked_memcmp(const void *a, const void *b, size_t size);

__attribute__((visibility("default"))) int berth_checked_memcmp(const void *a, const void *b,
								size_t size)
{
	look((uintptr_t)a, size, false, HERE);
	look((uintptr_t)b, size, false, HERE);
	return __builtin_memcmp(a, b, size);
}

/* SPDX-License-Identifier: BSD-2-Clause */
#include <berth/spinlock.h>

void berth_spin_lock_slow(spinlock_t *lock)
{
	/* 2 tells the holder to wake somebody; whoever was told to wait takes the lock as 2. */
	while (__atomic_exchange_n(&lock->word, 2, __ATOMIC_ACQUIRE) != 0)
		berth_port_lock_wait(&lock->word, 2);
}

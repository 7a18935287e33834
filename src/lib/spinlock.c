/* SPDX-License-Identifier: BSD-2-Clause */
#include <berth/spinlock.h>

void berth_spin_lock_slow(spinlock_t *lock)
{
	while (!spin_trylock(lock))
		berth_port_lock_wait(&lock->word, 1);
}

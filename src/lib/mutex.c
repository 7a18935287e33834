/* SPDX-License-Identifier: BSD-2-Clause */
#include <berth/mutex.h>
#include <berth/port.h>

enum { FREE, TAKEN, WANTED };

void mutex_lock(struct mutex *lock)
{
	if (mutex_trylock(lock))
		return;
	/* WANTED tells the holder to wake the sleepers; whoever has slept takes the lock as WANTED. */
	while (__atomic_exchange_n(&lock->word, WANTED, __ATOMIC_ACQUIRE) != FREE)
		berth_port_wait(&lock->word, WANTED, UINT64_MAX);
}

void mutex_unlock(struct mutex *lock)
{
	if (__atomic_exchange_n(&lock->word, FREE, __ATOMIC_RELEASE) == WANTED)
		berth_port_wake(&lock->word);
}

// SPDX-License-Identifier: BSD-2-Clause
/* Numbers for files: the lowest one that is free, as programs expect. */
#include <berth/fs.h>
#include <berth/slab.h>

#include "fs/internal.h"
#include "lib/error.h"
#include "lib/string.h"

#define FIRST_FILES 16u
#define MAX_FILES 65536u

/* @lock: of the table, a leaf; memory is taken and given without it. */
static struct {
	spinlock_t lock;
	struct file **files;
	unsigned int nr;
} table;

/* A larger table takes the place of the old one, if it still is larger. 0 or -ENOMEM. */
static int grow(unsigned int old_nr)
{
	unsigned int nr = old_nr ? 2 * old_nr : FIRST_FILES;
	struct file **files, **unused;
	unsigned long flags;

	if (nr > MAX_FILES)
		return berth_fail_limit(-ENOMEM, BERTH_REASON_TABLE_FULL, "numbers of files", 0,
					MAX_FILES);
	files = kvzalloc(nr * sizeof(*files), GFP_KERNEL);
	if (!files)
		return -ENOMEM;
	spin_lock_irqsave(&table.lock, flags);
	unused = files;
	if (nr > table.nr) {
		if (table.nr)
			memcpy(files, table.files, table.nr * sizeof(*files));
		unused = table.files;
		table.files = files;
		table.nr = nr;
	}
	spin_unlock_irqrestore(&table.lock, flags);
	kvfree(unused);
	return 0;
}

int berth_fd_install(struct file *file)
{
	unsigned long flags;
	unsigned int nr;
	int err;

	for (;;) {
		spin_lock_irqsave(&table.lock, flags);
		nr = table.nr;
		for (unsigned int fd = 0; fd < nr; fd++) {
			if (table.files[fd])
				continue;
			table.files[fd] = file;
			spin_unlock_irqrestore(&table.lock, flags);
			return (int)fd;
		}
		spin_unlock_irqrestore(&table.lock, flags);
		err = grow(nr);
		if (err)
			return err;
	}
}

struct file *fget(unsigned int fd)
{
	struct file *file = NULL;
	unsigned long flags;

	spin_lock_irqsave(&table.lock, flags);
	if (fd < table.nr && table.files[fd])
		file = get_file(table.files[fd]);
	spin_unlock_irqrestore(&table.lock, flags);
	return file;
}

int close_fd(unsigned int fd)
{
	struct file *file = NULL;
	unsigned long flags;

	spin_lock_irqsave(&table.lock, flags);
	if (fd < table.nr) {
		file = table.files[fd];
		table.files[fd] = NULL;
	}
	spin_unlock_irqrestore(&table.lock, flags);
	if (!file)
		return berth_fail_at(-EBADF, BERTH_REASON_ARGUMENT, "close_fd", fd);
	fput(file);
	return 0;
}

void berth_fds_reset(void)
{
	kvfree(table.files);
	table.files = NULL;
	table.nr = 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: fs - what a driver offers to programs under /dev (linux/fs.h, linux/poll.h, linux/miscdevice.h)
 *
 * A driver registers a node with its operations; a program opens it by name. The program may be in
 * berth's own process or on bare metal, and then uses the calls at the end of this header, which are
 * open(), read(), write(), poll(), ioctl(), mmap() and close() under names of berth's. Or it is another
 * process, and uses the system calls themselves: ``berth serve`` and ``berth exec`` (docs/serve.md).
 * The driver sees no difference.
 */
#ifndef BERTH_FS_H
#define BERTH_FS_H

#include <berth/device.h>
#include <berth/kref.h>
#include <berth/list.h>
#include <berth/types.h>
#include <berth/vm_area.h>
#include <berth/wait.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

struct berth_node;
struct file;
struct inode;
struct poll_table_struct;

typedef int64_t berth_loff_t;
#ifndef __user
#define __user
#endif

/* Events of poll(); the values of <poll.h>. */
#define BERTH_POLLIN 0x001u
#define BERTH_POLLPRI 0x002u
#define BERTH_POLLOUT 0x004u
#define BERTH_POLLERR 0x008u
#define BERTH_POLLHUP 0x010u
#define BERTH_POLLRDNORM 0x040u
#define BERTH_POLLWRNORM 0x100u

/* Flags of open(); the values of <fcntl.h> on most architectures. */
#define BERTH_O_RDONLY 0u
#define BERTH_O_WRONLY 1u
#define BERTH_O_RDWR 2u
#define BERTH_O_ACCMODE 3u
#define BERTH_O_NONBLOCK 04000u
#define BERTH_O_CLOEXEC 02000000u

#define BERTH_IOCTL_NONE UINT32_MAX

/**
 * struct berth_ioctl_form - what a request of ioctl() has in its description besides plain bytes
 * @request: its number
 * @size: bytes of the description; 0: what the number says
 * @fd_in: offset of the number of a file that the caller has; BERTH_IOCTL_NONE: none
 * @fd_out: offset of the number of a new file, which is the caller's on success; likewise
 * @array: offset of a 64-bit address to which the driver writes elements; likewise
 * @array_count: offset of the 32-bit number of elements for which there is room
 * @array_size: bytes of an element
 *
 * Numbers are those of berth_fd_install(). Another process has numbers and addresses of its own, which the
 * server exchanges on the way: a request that takes or returns a number must have a form.
 */
struct berth_ioctl_form {
	unsigned int request;
	uint32_t size;
	uint32_t fd_in;
	uint32_t fd_out;
	uint32_t array;
	uint32_t array_count;
	uint32_t array_size;
};

/**
 * struct file_operations - what can be done with an open node; NULL: -ENODEV, -EINVAL or -ENOTTY as in Linux
 * @read: bytes read, 0 at the end, or a negative errno value. With BERTH_O_NONBLOCK it does not sleep
 * @write: likewise
 * @poll: which events hold now; with a table it calls poll_wait() for each queue that tells of changes
 * @unlocked_ioctl: @arg is the address of what the request describes, which lies in berth's process; of a request whose
 *	number says no size it is what the caller gave, which may be another process: never an address
 * @mmap: shows memory in the area, with dma_mmap_coherent() or its like
 * @open: of the first and of every other open; a failure opens nothing
 * @release: the last reference has gone: file descriptors, mappings and what the driver holds itself
 * @ioctl_forms: requests that describe more than bytes; or NULL
 * @nr_ioctl_forms: how many
 *
 * All may sleep. After misc_deregister() or the like no @open is called any more, while files that are open go on.
 */
struct file_operations {
	long (*read)(struct file *file, char __user *buf, size_t count, berth_loff_t *pos);
	long (*write)(struct file *file, const char __user *buf, size_t count, berth_loff_t *pos);
	unsigned int (*poll)(struct file *file, struct poll_table_struct *table);
	long (*unlocked_ioctl)(struct file *file, unsigned int request, unsigned long arg);
	int (*mmap)(struct file *file, struct vm_area_struct *vma);
	int (*open)(struct inode *inode, struct file *file);
	int (*release)(struct inode *inode, struct file *file);
	const struct berth_ioctl_form *ioctl_forms;
	unsigned int nr_ioctl_forms;
};

/**
 * struct inode - the node of a file
 * @i_rdev: MKDEV(major, minor)
 * @i_private: what the node was registered with
 * @node: berth's own
 */
struct inode {
	uint32_t i_rdev;
	void *i_private;
	struct berth_node *node;
};

#define MKDEV(major, minor) (((uint32_t)(major) << 20) | (uint32_t)(minor))
#define MAJOR(dev) ((unsigned int)((dev) >> 20))
#define MINOR(dev) ((unsigned int)((dev)&0xfffffu))

#define BERTH_FILE_OWNER_LEN 32

/**
 * struct file - an open node
 * @f_op: its operations
 * @f_flags: BERTH_O_*
 * @f_pos: for read() and write() that have one
 * @private_data: the driver's own; NULL at open
 * @f_inode: of which node
 * @f_name: of a file that is no node's: for reports; or NULL
 * @f_owner: who has opened it, such as "painter (pid 12)"; "": nobody said so. For reports
 * @f_count: references
 */
struct file {
	const struct file_operations *f_op;
	unsigned int f_flags;
	berth_loff_t f_pos;
	void *private_data;
	struct inode *f_inode;
	const char *f_name;
	char f_owner[BERTH_FILE_OWNER_LEN];
	struct kref f_count;
};

/** get_file() - one more reference. Any context. */
static inline struct file *get_file(struct file *file)
{
	kref_get(&file->f_count);
	return file;
}

/** fput() - one reference less; the last one calls release(). May sleep. */
void fput(struct file *file);

/**
 * anon_inode_getfile() - a file that is no node's
 * @name: for reports; stays valid
 * @fops: operations; release() is called with an inode that is nobody's
 * @priv: its private_data
 * @flags: BERTH_O_*
 *
 * May sleep. Return: the file with one reference, or ERR_PTR(-ENOMEM).
 */
struct file *anon_inode_getfile(const char *name, const struct file_operations *fops, void *priv,
				unsigned int flags);

/**
 * struct poll_table_struct - who wants to know of changes
 * @queue: called by poll_wait() for each queue
 */
struct poll_table_struct {
	void (*queue)(struct file *file, struct wait_queue_head *queue,
		      struct poll_table_struct *table);
};
typedef struct poll_table_struct poll_table;

/** poll_wait() - @queue tells when the events of @file may have changed; @table may be NULL */
static inline void poll_wait(struct file *file, struct wait_queue_head *queue, poll_table *table)
{
	if (table && table->queue && queue)
		table->queue(file, queue, table);
}

/* Nodes. */

/**
 * struct berth_node_attr - a file under the directory that /sys has of a node
 * @name: its path there, such as "maps/map0/addr"
 * @show: writes the text, with its end of line, to @buf of PAGE_SIZE bytes; its length or a negative
 *	errno value. May sleep
 * @index: the attribute's own, such as the map's number
 */
struct berth_node_attr {
	const char *name;
	long (*show)(void *priv, const struct berth_node_attr *attr, char *buf);
	unsigned int index;
};

/**
 * struct berth_node_info - how a node is registered
 * @name: below /dev, such as "uio0" or "dma_heap/system"; copied
 * @class_name: its directory in /sys is /sys/class/@class_name/@name; NULL: "misc"
 * @fops: operations; stay valid as long as a file is open
 * @rdev: MKDEV(); 0: one is chosen
 * @mode: permissions, such as 0600; 0: 0600
 * @parent: the device behind it, or NULL
 * @priv: goes to inode->i_private and to the attributes
 * @attrs: what /sys shows besides "dev"; copied; or NULL
 * @nr_attrs: how many
 */
struct berth_node_info {
	const char *name;
	const char *class_name;
	const struct file_operations *fops;
	uint32_t rdev;
	uint32_t mode;
	struct device *parent;
	void *priv;
	const struct berth_node_attr *attrs;
	unsigned int nr_attrs;
};

/**
 * berth_node_register() - programs can open a node from now on
 *
 * May sleep. Return: the node, until berth_node_unregister(); or an ERR_PTR() with the reason: -EEXIST (the name or
 * the number is taken, or a directory would have to be what is a file), -EINVAL (a name with "..", an empty one, one
 * too long), -ENOMEM.
 */
struct berth_node *berth_node_register(const struct berth_node_info *info);

/**
 * berth_node_unregister() - nobody can open it any more
 *
 * On return no open() and no show() of the node runs any more; files that are open stay so, and the operations have
 * to cope. May sleep.
 */
void berth_node_unregister(struct berth_node *node);

/**
 * struct berth_node_view - what others may know of a node; strings live as long as the node is held
 * @name: below /dev
 * @class_name: below /sys/class
 * @parent: the name of the device behind it, or NULL
 * @rdev: MKDEV()
 * @mode: permissions
 * @attrs: what /sys shows besides "dev"
 * @nr_attrs: how many
 * @changes: counts berth_node_changed(); wraps
 */
struct berth_node_view {
	const char *name;
	const char *class_name;
	const char *parent;
	uint32_t rdev;
	uint32_t mode;
	const struct berth_node_attr *attrs;
	unsigned int nr_attrs;
	uint32_t changes;
};

/**
 * berth_node_each() - visit all nodes
 * @visit: called for each, may sleep; not 0 ends it. The node stays registered meanwhile, so it does not unregister one
 *
 * Return: what @visit returned last, or 0.
 */
int berth_node_each(int (*visit)(const struct berth_node_view *node, void *data), void *data);

/**
 * berth_node_show() - the text of an attribute
 * @name: of the node, as below /dev
 * @attr: of the attribute
 * @buf: PAGE_SIZE bytes
 *
 * May sleep. Return: its length, -ENOENT (FILE), or what its show() returned.
 */
long berth_node_show(const char *name, const char *attr, char *buf);

/** berth_node_news() - the queue that tells when a node comes or goes, or an attribute reads otherwise */
struct wait_queue_head *berth_node_news(void);

/** berth_node_changed() - an attribute of @node reads otherwise: those who watch are told. Any context. */
void berth_node_changed(struct berth_node *node);

/**
 * struct miscdevice - a node in its simplest form (linux/miscdevice.h)
 * @minor: MISC_DYNAMIC_MINOR, or a number of one's own; written by misc_register()
 * @name: below /dev
 * @fops: operations
 * @parent: the device behind it, or NULL
 * @mode: permissions; 0: 0600
 * @node: berth's own
 *
 * open() finds it in file->private_data, as in Linux.
 */
struct miscdevice {
	int minor;
	const char *name;
	const struct file_operations *fops;
	struct device *parent;
	uint32_t mode;
	struct berth_node *node;
};

#define MISC_MAJOR 10
#define MISC_DYNAMIC_MINOR 255

/** misc_register() - May sleep. Return: 0 or a negative errno value, as berth_node_register(). */
int BERTH_MUST_CHECK misc_register(struct miscdevice *misc);

/** misc_deregister() - as berth_node_unregister() */
void misc_deregister(struct miscdevice *misc);

/* Memory of the caller's: here all of it is in one process. Return: bytes not copied: 0. */
static inline unsigned long copy_to_user(void __user *to, const void *from, unsigned long n)
{
	__builtin_memcpy(to, from, n);
	return 0;
}

static inline unsigned long copy_from_user(void *to, const void __user *from, unsigned long n)
{
	__builtin_memcpy(to, from, n);
	return 0;
}

/* What a program does. */

/**
 * berth_filp_open() - open(2)
 * @path: "/dev/NAME"
 * @flags: BERTH_O_*
 *
 * May sleep. Return: the file, until fput(); or an ERR_PTR() with the reason (FILE: -ENOENT: no such node), or with
 * what the driver's open() returned.
 */
struct file *berth_filp_open(const char *path, unsigned int flags);

/**
 * berth_filp_open_as() - berth_filp_open() for somebody else
 * @owner: goes to f_owner, cut to BERTH_FILE_OWNER_LEN
 */
struct file *berth_filp_open_as(const char *path, unsigned int flags, const char *owner);

/** berth_file_read() - read(2). May sleep. */
long berth_file_read(struct file *file, void *buf, size_t count);

/** berth_file_write() - write(2). May sleep. */
long berth_file_write(struct file *file, const void *buf, size_t count);

/** berth_file_ioctl() - ioctl(2). May sleep. */
long berth_file_ioctl(struct file *file, unsigned int request, void *arg);

/**
 * berth_file_poll() - poll(2) of one file
 * @events: BERTH_POLL*; errors and hang-up always count
 * @timeout_ms: 0: look only; negative: no limit
 *
 * May sleep. Return: those of @events that hold, 0 when time was up; -EDEADLK where nobody is left to wake.
 */
long berth_file_poll(struct file *file, unsigned int events, int timeout_ms);

/**
 * berth_file_mmap() - mmap(2) into this process
 * @vma: filled in; the caller's until berth_vma_release(), which is munmap(2)
 * @size: bytes
 * @pgoff: offset in pages
 *
 * The area holds the file open. May sleep. Return: 0, or a negative errno value with nothing mapped.
 */
int berth_file_mmap(struct file *file, struct vm_area_struct *vma, size_t size,
		    unsigned long pgoff);

/**
 * berth_file_share() - mmap(2) into another process
 * @vma: filled in; it has no addresses here. The caller's until berth_vma_release()
 * @size: bytes
 * @pgoff: offset in pages
 *
 * What the driver shows is shared by berth_port_share(). May sleep. Return: the port's handle (in a
 * Linux process a descriptor of a file that shows exactly that, from its offset 0, valid until
 * berth_vma_release()), or a negative errno value with nothing shared.
 */
int berth_file_share(struct file *file, struct vm_area_struct *vma, size_t size,
		     unsigned long pgoff);

/* Numbers for files: one table for all of berth, apart from those of an operating system. */

/** berth_fd_install() - the caller's reference becomes a number's. May sleep. Return: it, or -ENOMEM. */
int berth_fd_install(struct file *file);

/** fget() - a reference to a number's file, or NULL. Any context. */
struct file *fget(unsigned int fd);

/** close_fd() - the number is free again, its reference is put. May sleep. Return: 0, or -EBADF. */
int close_fd(unsigned int fd);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif

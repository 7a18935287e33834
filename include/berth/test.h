/* SPDX-License-Identifier: BSD-2-Clause */
/**
 * DOC: test - making berth fail on purpose
 *
 * For the tests of drivers and of berth itself. In every build; costs one load where an allocator
 * is entered.
 */
#ifndef BERTH_TEST_H
#define BERTH_TEST_H

#include <berth/types.h>

#include <berth/names.h>

BERTH_BEGIN_DECLS

/**
 * berth_test_fail_nth() - make one allocation fail
 * @nth: the @nth allocation of any kind from now on fails as if memory were out; 0: none
 *
 * Pages, kmalloc(), CMA, memblock and page tables count. Any context.
 */
void berth_test_fail_nth(uint64_t nth);

/** berth_test_failed() - whether the failure asked for has happened. Any context. */
bool berth_test_failed(void);

BERTH_END_DECLS

#ifdef BERTH_NO_SHORT_NAMES
#include <berth/names-off.h>
#endif
#endif

/* SPDX-License-Identifier: BSD-2-Clause */
#include <berth/berth.h>
#include <berth/check.h>

const char *berth_version(void)
{
	return BERTH_VERSION_STRING;
}

bool berth_is_checked(void)
{
	return BERTH_ABI_CHECKED != 0;
}

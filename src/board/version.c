/* SPDX-License-Identifier: BSD-2-Clause */
#include <berth/berth.h>
#include <berth/check.h>

#include "board/board.h"

const char *berth_version(void)
{
	return BERTH_VERSION_STRING;
}

uint32_t berth_abi(void)
{
	return BERTH_ABI | BERTH_ABI_CHECKED;
}

bool berth_is_checked(void)
{
	return BERTH_ABI_CHECKED != 0;
}

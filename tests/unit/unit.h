/* SPDX-License-Identifier: MIT */
#ifndef UNIT_H
#define UNIT_H

/* What every unit test includes first: cmocka and what it needs, and must(). */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/fault.h"

/* The call must succeed; else the test fails with the fault's text. */
static inline void must(bool ok, const struct fault *fault)
{
	if (!ok)
		fail_msg("%s: %s", fault_kind_name(fault->kind), fault->text);
}

#endif

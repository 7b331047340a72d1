/* SPDX-License-Identifier: MIT */
#include "base/fault.h"

#include <stdio.h>
#include <string.h>

static void fault_fill(struct fault *fault, enum fault_kind kind, const char *code,
        const char *format, va_list arguments)
{
	fault->kind = kind;
	snprintf(fault->code, sizeof fault->code, "%s", code);
	vsnprintf(fault->text, sizeof fault->text, format, arguments);
}

bool fault_set(struct fault *fault, enum fault_kind kind, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fault_fill(fault, kind, "", format, arguments);
	va_end(arguments);
	return false;
}

bool fault_code(struct fault *fault, enum fault_kind kind, const char *code,
        const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fault_fill(fault, kind, code, format, arguments);
	va_end(arguments);
	return false;
}

bool fault_wrap(struct fault *fault, const char *format, ...)
{
	char outer[FAULT_TEXT_BYTES];
	va_list arguments;
	size_t used;
	size_t kept;

	va_start(arguments, format);
	vsnprintf(outer, sizeof outer - 2, format, arguments);
	va_end(arguments);
	used = strlen(outer);
	memcpy(outer + used, ": ", 2);
	used += 2;
	kept = strlen(fault->text);
	if (kept > sizeof outer - 1 - used)
		kept = sizeof outer - 1 - used;
	memcpy(outer + used, fault->text, kept);
	outer[used + kept] = '\0';
	memcpy(fault->text, outer, used + kept + 1);
	return false;
}

bool fault_memory(struct fault *fault)
{
	return fault_code(fault, FAULT_STOP, "out-of-memory", "out of memory");
}

void fault_clear(struct fault *fault)
{
	memset(fault, 0, sizeof *fault);
}

const char *fault_kind_name(enum fault_kind kind)
{
	switch (kind) {
	case FAULT_NONE:
		return "none";
	case FAULT_RETRY:
		return "retry";
	case FAULT_REJECT:
		return "reject";
	case FAULT_UNSURE:
		return "unsure";
	case FAULT_STOP:
		return "stop";
	}
	return "unknown";
}

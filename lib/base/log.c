/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

static const char *log_program = "kentongan";
static _Atomic enum log_level log_lowest = LOG_INFO;

void log_open(const char *program, enum log_level lowest)
{
	log_program = program;
	log_lowest = lowest;
}

void log_from(enum log_level lowest)
{
	log_lowest = lowest;
}

/* Control characters would let a stranger's text forge a line of its own. */
static void make_printable(char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7F)
			*text = ' ';
}

static void log_write(
        enum log_level level, const char *id, const char *format, va_list arguments)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };
	char time[CLOCK_TEXT_BYTES];
	char text[1024];
	char line[1200];
	int size;

	if (level < log_lowest)
		return;
	clock_format(clock_wall_us() / 1000 * 1000, time);
	memcpy(strchr(time, '.') + 4, "Z", 2);
	vsnprintf(text, sizeof text, format, arguments);
	make_printable(text);
	size = snprintf(line, sizeof line, "%s %s %s %s %s\n", time, names[level],
	        log_program, id ? id : "-", text);
	if (size > 0 && write(STDERR_FILENO, line, (size_t)size) < 0)
		return; /* nobody is left to tell */
}

void log_info(const char *id, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_write(LOG_INFO, id, format, arguments);
	va_end(arguments);
}

void log_warn(const char *id, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_write(LOG_WARN, id, format, arguments);
	va_end(arguments);
}

void log_error(const char *id, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_write(LOG_ERROR, id, format, arguments);
	va_end(arguments);
}

void log_fault(const char *id, const char *what, const struct fault *fault)
{
	if (fault->kind == FAULT_STOP)
		log_error(id, "%s: %s", what, fault->text);
	else
		log_warn(id, "%s: %s", what, fault->text);
}

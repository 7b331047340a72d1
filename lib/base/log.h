/* SPDX-License-Identifier: MIT */
#ifndef BASE_LOG_H
#define BASE_LOG_H

/*
 * Lines on standard error: time, level, program, record id (or -), what happened,
 * key=value. error: somebody must act; warn: the hub helped itself; info: a record
 * changed its place. A line is written in one write(); any thread may log.
 * Never a value of a record.
 */

#include "base/fault.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* The program's name in each line, and the lowest level written. Call once at start. */
void log_open(const char *program, enum log_level lowest);

/* Write from this level on; any thread may log meanwhile. */
void log_from(enum log_level lowest);

/* id is the record's event_id, or NULL where the line is about none. */
void log_info(const char *id, const char *format, ...) PRINTF_LIKE(2, 3);
void log_warn(const char *id, const char *format, ...) PRINTF_LIKE(2, 3);
void log_error(const char *id, const char *format, ...) PRINTF_LIKE(2, 3);

/* "what: text", at warn for RETRY, REJECT and UNSURE, at error for STOP. */
void log_fault(const char *id, const char *what, const struct fault *fault);

#endif

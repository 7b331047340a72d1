/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>

static int64_t clock_read_us(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
	return clock_read_us(CLOCK_REALTIME);
}

int64_t clock_monotonic_us(void)
{
	return clock_read_us(CLOCK_MONOTONIC);
}

bool clock_is_synced(void)
{
	struct timex timex = { 0 };
	int state = adjtimex(&timex);

	return state != -1 && state != TIME_ERROR && (timex.status & STA_UNSYNC) == 0;
}

/* Days and civil dates, proleptic Gregorian: H. Hinnant, "chrono-compatible low-level
 * date algorithms", days_from_civil and civil_from_days. */
static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
	int64_t era;
	int64_t year_of_era;
	int64_t day_of_year;

	year -= month <= 2;
	era = (year >= 0 ? year : year - 399) / 400;
	year_of_era = year - era * 400;
	day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100
	       + day_of_year - 719468;
}

static void civil_from_days(int64_t days, int64_t *year, int *month, int *day)
{
	int64_t era;
	int64_t day_of_era;
	int64_t year_of_era;
	int64_t day_of_year;
	int64_t shifted;

	days += 719468;
	era = (days >= 0 ? days : days - 146096) / 146097;
	day_of_era = days - era * 146097;
	year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524
	                      - day_of_era / 146096)
	              / 365;
	day_of_year =
	        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	shifted = (5 * day_of_year + 2) / 153;
	*day = (int)(day_of_year - (153 * shifted + 2) / 5 + 1);
	*month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
	*year = year_of_era + era * 400 + (*month <= 2);
}

/* Digits with leading zeros; returns where they end. */
static char *put_digits(char *at, int count, int64_t value)
{
	for (int i = count - 1; i >= 0; i--) {
		at[i] = (char)('0' + value % 10);
		value /= 10;
	}
	return at + count;
}

static char *put_date(char *at, int64_t days)
{
	int64_t year;
	int month;
	int day;

	civil_from_days(days, &year, &month, &day);
	if (year >= 0 && year <= 9999)
		at = put_digits(at, 4, year);
	else
		at += sprintf(at, "%lld", (long long)year);
	*at++ = '-';
	at = put_digits(at, 2, month);
	*at++ = '-';
	return put_digits(at, 2, day);
}

void clock_format_date(int32_t days, char text[CLOCK_TEXT_BYTES])
{
	*put_date(text, days) = '\0';
}

void clock_format(int64_t wall_us, char text[CLOCK_TEXT_BYTES])
{
	int64_t seconds = wall_us / 1000000;
	int64_t micros = wall_us % 1000000;
	int64_t days;
	char *at;

	if (micros < 0) {
		micros += 1000000;
		seconds--;
	}
	days = seconds / 86400;
	seconds %= 86400;
	if (seconds < 0) {
		seconds += 86400;
		days--;
	}
	at = put_date(text, days);
	*at++ = 'T';
	at = put_digits(at, 2, seconds / 3600);
	*at++ = ':';
	at = put_digits(at, 2, seconds / 60 % 60);
	*at++ = ':';
	at = put_digits(at, 2, seconds % 60);
	*at++ = '.';
	at = put_digits(at, 6, micros);
	strcpy(at, "Z");
}

void clock_append_json(int64_t wall_us, struct buffer *out)
{
	char text[CLOCK_TEXT_BYTES];

	if (wall_us == 0) {
		buffer_append_text(out, "null");
		return;
	}
	clock_format(wall_us, text);
	buffer_append_json(out, bytes_of(text));
}

/* Exactly `count` digits at *at. */
static bool take_digits(struct bytes text, size_t *at, int count, int *out)
{
	int value = 0;

	for (int i = 0; i < count; i++, (*at)++) {
		if (*at >= text.size || text.data[*at] < '0' || text.data[*at] > '9')
			return false;
		value = value * 10 + (text.data[*at] - '0');
	}
	*out = value;
	return true;
}

static bool take_byte(struct bytes text, size_t *at, char wanted)
{
	if (*at >= text.size || text.data[*at] != (uint8_t)wanted)
		return false;
	(*at)++;
	return true;
}

static bool is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static bool take_date(struct bytes text, size_t *at, int64_t *out_days)
{
	static const int month_days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30,
		31 };
	int year;
	int month;
	int day;

	if (!take_digits(text, at, 4, &year) || !take_byte(text, at, '-')
	        || !take_digits(text, at, 2, &month) || !take_byte(text, at, '-')
	        || !take_digits(text, at, 2, &day))
		return false;
	if (year < 1 || month < 1 || month > 12 || day < 1
	        || day > month_days[month - 1] + (month == 2 && is_leap(year)))
		return false;
	*out_days = days_from_civil(year, month, day);
	return true;
}

static bool take_fraction(struct bytes text, size_t *at, int *out_micros)
{
	int scale = 100000;

	*out_micros = 0;
	if (!take_byte(text, at, '.'))
		return true;
	for (int digits = 0;; digits++, scale /= 10) {
		int digit;

		if (*at >= text.size || text.data[*at] < '0' || text.data[*at] > '9')
			return digits > 0;
		if (digits == 6)
			return false;
		digit = text.data[(*at)++] - '0';
		*out_micros += digit * scale;
	}
}

static bool take_offset(struct bytes text, size_t *at, int *out_seconds)
{
	int sign;
	int hours;
	int minutes;

	*out_seconds = 0;
	if (take_byte(text, at, 'Z') || take_byte(text, at, 'z'))
		return true;
	if (take_byte(text, at, '+'))
		sign = 1;
	else if (take_byte(text, at, '-'))
		sign = -1;
	else
		return false;
	if (!take_digits(text, at, 2, &hours) || !take_byte(text, at, ':')
	        || !take_digits(text, at, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*out_seconds = sign * (hours * 3600 + minutes * 60);
	return true;
}

/* 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z */
#define FIRST_SECOND (-62135596800)
#define LAST_SECOND  253402300799

bool clock_parse(struct bytes text, int64_t *out_wall_us)
{
	size_t at = 0;
	int64_t days;
	int hour;
	int minute;
	int second;
	int micros;
	int offset;
	int64_t seconds;

	if (!take_date(text, &at, &days)
	        || (!take_byte(text, &at, 'T') && !take_byte(text, &at, 't'))
	        || !take_digits(text, &at, 2, &hour) || !take_byte(text, &at, ':')
	        || !take_digits(text, &at, 2, &minute) || !take_byte(text, &at, ':')
	        || !take_digits(text, &at, 2, &second)
	        || !take_fraction(text, &at, &micros)
	        || !take_offset(text, &at, &offset))
		return false;
	if (at != text.size || hour > 23 || minute > 59 || second > 59)
		return false;
	seconds = days * 86400 + hour * 3600 + minute * 60 + second - offset;
	if (seconds < FIRST_SECOND || seconds > LAST_SECOND)
		return false; /* its offset leads out of the years that text can say */
	*out_wall_us = seconds * 1000000 + micros;
	return true;
}

bool clock_parse_date(struct bytes text, int32_t *out_days)
{
	size_t at = 0;
	int64_t days;

	if (!take_date(text, &at, &days) || at != text.size)
		return false;
	*out_days = (int32_t)days;
	return true;
}

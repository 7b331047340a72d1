/* SPDX-License-Identifier: MIT */
#include "event/format.h"

#include <string.h>

#include "event/identity.h"

static bool is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

static bool is_lower_or_digit(uint8_t byte)
{
	return is_digit(byte) || (byte >= 'a' && byte <= 'z');
}

/* 9 in shape stands for a digit, everything else for itself. */
static bool has_shape(struct bytes text, const char *shape)
{
	if (text.size != strlen(shape))
		return false;
	for (size_t i = 0; i < text.size; i++)
		if (shape[i] == '9' ? !is_digit(text.data[i])
		                    : text.data[i] != (uint8_t)shape[i])
			return false;
	return true;
}

static bool is_nik(struct bytes text)
{
	return has_shape(text, "9999999999999999");
}

static bool is_village_code(struct bytes text)
{
	return has_shape(text, "99.99.99.9999") && text.data[9] >= '1'
	       && text.data[9] <= '3';
}

static bool is_uuid(struct bytes text)
{
	uint8_t bytes[16];

	return identity_parse(text, bytes);
}

static bool is_slug(struct bytes text)
{
	bool dash = true;

	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] == '-' && dash)
			return false;
		dash = text.data[i] == '-';
		if (!dash && !is_lower_or_digit(text.data[i]))
			return false;
	}
	return !dash;
}

static bool is_sha256(struct bytes text)
{
	for (size_t i = 0; i < text.size; i++)
		if (!is_digit(text.data[i])
		        && (text.data[i] < 'a' || text.data[i] > 'f'))
			return false;
	return text.size == 64;
}

static bool is_phone(struct bytes text)
{
	size_t digits = 0;

	for (size_t i = 0; i < text.size; i++) {
		uint8_t byte = text.data[i];

		if (is_digit(byte))
			digits++;
		else if ((byte != '+' || i > 0)
		         && ((byte != ' ' && byte != '-') || i == 0
		                 || text.data[i - 1] == '+'))
			return false;
	}
	return digits >= 5 && digits <= 15;
}

static bool is_period(struct bytes text)
{
	int month;

	if (has_shape(text, "9999"))
		return true;
	if (!has_shape(text, "9999-99"))
		return false;
	month = (text.data[5] - '0') * 10 + (text.data[6] - '0');
	return month >= 1 && month <= 12;
}

uint32_t format_point(struct bytes text, size_t *at)
{
	uint32_t point = text.data[(*at)++];

	if (point >= 0xC0)
		point &= point < 0xE0 ? 0x1F : point < 0xF0 ? 0x0F : 0x07;
	while (*at < text.size && (text.data[*at] & 0xC0) == 0x80)
		point = point << 6 | (text.data[(*at)++] & 0x3F);
	return point;
}

bool format_is_hidden(uint32_t point)
{
	return point < 0x20 || (point >= 0x7F && point < 0xA0) || point == 0xAD
	       || (point >= 0x200B && point <= 0x200F)
	       || (point >= 0x2028 && point <= 0x202E)
	       || (point >= 0x2060 && point <= 0x206F) || point == 0xFEFF
	       || (point >= 0xE0000 && point <= 0xE0FFF);
}

bool format_is_digit(uint32_t point)
{
	return (point >= '0' && point <= '9') || (point >= 0xFF10 && point <= 0xFF19)
	       || (point >= 0x660 && point <= 0x669)
	       || (point >= 0x6F0 && point <= 0x6F9)
	       || (point >= 0x1D7CE && point <= 0x1D7FF);
}

/* It travels in headers and addresses, so nothing invisible and nothing like a NIK. */
static bool is_case_id(struct bytes text)
{
	size_t digits = 0;

	for (size_t at = 0; at < text.size;) {
		uint32_t point = format_point(text, &at);

		digits = format_is_digit(point) ? digits + 1 : 0;
		if (format_is_hidden(point) || digits == 16)
			return false;
	}
	return text.size > 0 && text.data[0] != ' ' && text.data[text.size - 1] != ' ';
}

const struct format *format_find(const char *name)
{
	static const struct format formats[] = {
		{ "nik", is_nik, "16 digits", "16 angka" },
		{ "village-code", is_village_code,
		        "a village code such as 35.09.01.2001",
		        "kode desa, misalnya 35.09.01.2001" },
		{ "uuid", is_uuid, "a UUID of 36 characters", "UUID, 36 tanda" },
		{ "slug", is_slug, "small letters and digits joined by hyphens",
		        "huruf kecil dan angka, dihubungkan tanda hubung" },
		{ "sha256", is_sha256, "64 hexadecimal digits in small letters",
		        "64 angka heksadesimal, huruf kecil" },
		{ "phone", is_phone, "a telephone number such as 081234567890",
		        "nomor telepon, misalnya 081234567890" },
		{ "period", is_period, "a year or a month, such as 2026 or 2026-11",
		        "tahun atau bulan, misalnya 2026 atau 2026-11" },
		{ "case-id", is_case_id,
		        "visible characters, at most 100, without a run of 16 digits",
		        "tanda yang terlihat, paling banyak 100, tanpa 16 angka "
		        "berurutan" },
	};

	for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	return NULL;
}

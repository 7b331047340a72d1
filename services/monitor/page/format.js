// SPDX-License-Identifier: MIT
// Numbers, times and money as people here write them. Every time is WIB.
import { locale } from "./words.js";

const ZONE = { timeZone: "Asia/Jakarta" };

export const number = (value, digits = 0) => Number(value).toLocaleString(locale(), { maximumFractionDigits: digits });
export const rate = (value) => number(value, value < 10 ? 1 : 0);

export const clock = (time, seconds = true) => new Date(time).toLocaleTimeString(locale(), {
  hour: "2-digit", minute: "2-digit", ...(seconds ? { second: "2-digit" } : {}), ...ZONE });

export const day = (time) => new Date(time).toLocaleDateString(locale(), { day: "numeric", month: "short", year: "numeric", ...ZONE });

const today = (time) => day(time) === day(Date.now());

// 09.15 today, with its day otherwise.
export const moment = (time) => (today(time) ? "" : `${day(time)} `) + clock(time, false) + " WIB";

export const exact = (time) => `${day(time)} ${clock(time)} WIB`;

// As a field for a time shows it, and reads it again: 21 Nov 2026 09.15, or less of it: the day is today then.
export const typed = (time) => `${day(time)} ${clock(time, false)}`;

const MONTHS = ["jan", "feb", "mar", "apr", "mei may", "jun", "jul", "agu aug", "sep", "okt oct", "nov", "des dec"];
const WIB_MS = 7 * 3600000; // all of the year

// Milliseconds of a time that somebody typed; NaN when it is none.
export function untyped(text) {
  const plain = text.trim().toLowerCase();
  const [, ...iso] = plain.match(/^(\d{4})-(\d\d)-(\d\d)[t ](\d\d?)[.:](\d\d)$/) || [];
  const [, date, name, ownYear, ...own] = plain.match(/^(?:(\d\d?) ([a-z]+)(?: (\d{4}))?,? )?(\d\d?)[.:](\d\d)$/) || [];
  const now = new Date(Date.now() + WIB_MS);
  const month = name ? MONTHS.findIndex((names) => names.split(" ").includes(name.slice(0, 3))) : now.getUTCMonth();
  const parts = iso.length ? [iso[0], iso[1] - 1, ...iso.slice(2)] : [ownYear || now.getUTCFullYear(), month, date || now.getUTCDate(), ...own];
  const at = new Date(Date.UTC(...parts));
  const asTyped = Number(parts[4]) < 60 && Number(parts[3]) < 24 && at.getUTCDate() === Number(parts[2]) && at.getUTCMonth() === Number(parts[1]);
  return parts.length === 5 && asTyped ? at.getTime() - WIB_MS : NaN;
}

// How long, in the largest unit that fits.
export function span(ms) {
  if (ms < 1000) return `${number(Math.round(ms))} ms`;
  if (ms < 60000) return `${number(ms / 1000, ms < 10000 ? 1 : 0)} ${locale() === "id-ID" ? "dtk" : "s"}`;
  if (ms < 3600000) return `${number(Math.floor(ms / 60000))} ${locale() === "id-ID" ? "mnt" : "min"}`;
  if (ms < 172800000) return `${number(Math.floor(ms / 3600000))} ${locale() === "id-ID" ? "jam" : "h"}`;
  return `${number(Math.floor(ms / 86400000))} ${locale() === "id-ID" ? "hari" : "days"}`;
}

export function size(bytes) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let at = 0;
  for (; bytes >= 1000 && at < units.length - 1; at++) bytes /= 1000;
  return `${number(bytes, at && bytes < 10 ? 1 : 0)} ${units[at]}`;
}

// Amounts never become a double: digits are grouped as text.
export function money(amount, currency) {
  const [whole, cents] = String(amount).split(".");
  const mark = locale() === "id-ID" ? [".", ","] : [",", "."];
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, mark[0]);
  return (currency && currency !== "IDR" ? `${currency} ` : "Rp") + grouped + (Number(cents) ? mark[1] + cents : "");
}

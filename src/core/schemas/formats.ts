// The formats that are checked. Each is an anchored expression without a repetition within another, or a few plain
// steps, so that it takes a time that grows with the text's length alone.
import { isExpression } from "./pattern-syntax.ts";

const FULL_DATE = /^(\d{4})-(\d\d)-(\d\d)$/;
const FULL_TIME = /^([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(?:\.\d+)?(?:[zZ]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;
const DURATION = /^P(?=[\dT])(?:\d+W|(?:\d+Y)?(?:\d+M)?(?:\d+D)?(?:T(?=\d)(?:\d+H)?(?:\d+M)?(?:\d+S)?)?)$/;
const LABEL = /^[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?$/i;
const LOCAL_PART = /^[\w!#$%&'*+/=?^`{|}~.-]{1,64}$/;
const V4_PART = /^(?:\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])$/;
const V6_GROUP = /^[\da-f]{1,4}$/i;
const UUID = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i;
const SCHEME = /^[a-z][a-z\d+.-]*:/i;
/** What may stand in a URI; what may not is written with `%`. */
const URI_TEXT = /^[\w!#$%&'()*+,./:;=?@[\]~-]*$/;
const BAD_PERCENT = /%(?![\da-f]{2})/i;
const BAD_TILDE = /~(?![01])/;

/** The longest expression that is read. */
const REGEX_CHARS = 2_048;
const HOSTNAME_CHARS = 253;
const MONTH_DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** By name. `textarea` says how a form asks for a text, and nothing about it. */
export const FORMATS: ReadonlyMap<string, (text: string) => boolean> = new Map([
  ["date-time", isDateTime],
  ["date", isDate],
  ["time", (text: string) => FULL_TIME.test(text)],
  ["duration", (text: string) => DURATION.test(text)],
  ["email", isEmail],
  ["hostname", isHostname],
  ["ipv4", isV4],
  ["ipv6", isV6],
  ["uri", (text: string) => SCHEME.test(text) && isReference(text)],
  ["uri-reference", isReference],
  ["uuid", (text: string) => UUID.test(text)],
  ["json-pointer", (text: string) => (text === "" || text.startsWith("/")) && !BAD_TILDE.test(text)],
  ["regex", (text: string) => text.length <= REGEX_CHARS && isExpression(text)],
  ["textarea", () => true],
]);

function isDate(text: string): boolean {
  const [, year, month, day] = FULL_DATE.exec(text)?.map(Number) ?? [];
  if (year === undefined || month === undefined || day === undefined) return false;
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return day >= 1 && day <= (MONTH_DAYS[month - 1] ?? 0) && (month !== 2 || day < 29 || isLeap);
}

function isDateTime(text: string): boolean {
  return isDate(text.slice(0, 10)) && /^[tT]$/.test(text.charAt(10)) && FULL_TIME.test(text.slice(11));
}

function isEmail(text: string): boolean {
  const at = text.lastIndexOf("@");
  const local = text.slice(0, Math.max(0, at));
  const dots = local.startsWith(".") || local.endsWith(".") || local.includes("..");
  return LOCAL_PART.test(local) && !dots && isHostname(text.slice(at + 1));
}

function isHostname(text: string): boolean {
  return text.length <= HOSTNAME_CHARS && text.split(".").every((label) => LABEL.test(label));
}

function isV4(text: string): boolean {
  const parts = text.length <= 15 ? text.split(".") : [];
  return parts.length === 4 && parts.every((part) => V4_PART.test(part));
}

function isV6(text: string): boolean {
  if (text.length > 45) return false;
  const sides = text.split("::");
  if (sides.length > 2) return false;
  let groups = 0;
  for (const [side, part] of sides.entries()) {
    const texts = part === "" ? [] : part.split(":");
    for (const [at, group] of texts.entries()) {
      const isLast = side === sides.length - 1 && at === texts.length - 1;
      if (V6_GROUP.test(group)) groups += 1;
      else if (isLast && isV4(group)) groups += 2;
      else return false;
    }
  }
  return sides.length === 2 ? groups < 8 : groups === 8;
}

function isReference(text: string): boolean {
  return URI_TEXT.test(text) && !BAD_PERCENT.test(text);
}

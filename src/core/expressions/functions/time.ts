// Timestamps and durations: parsing, and their fields in UTC or in a named time zone.
import type { Definition } from "./definition.ts";
import type { Meter } from "../evaluate/meter.ts";
import { Duration, Fault, quoted, timestamp, type Value } from "../values/values.ts";

/** Steps for a time zone: the engine creates a formatter for each conversion, in 0.1 ms, and longer for the first. */
const ZONE_STEPS = 20_000;
/** The longest name is "America/Argentina/ComodRivadavia", of 32 characters. */
const ZONE_CHARS = 64;
/** Maximum length of a duration's text: a few numbers with units. */
const DURATION_CHARS = 128;
/** Steps for each of its characters, which a pattern and big integers process. */
const DURATION_STEPS = 8;
const TIMESTAMP_STEPS = 20;
const DAY_MS = 86_400_000;

/** What each getter reads from a time whose UTC fields are the fields in the requested zone. */
const FIELDS: Readonly<Record<string, (time: Date) => number>> = {
  getDate: (time) => time.getUTCDate(),
  getDayOfMonth: (time) => time.getUTCDate() - 1,
  getDayOfWeek: (time) => time.getUTCDay(),
  getDayOfYear: (time) => Math.floor((time.getTime() - Date.UTC(time.getUTCFullYear(), 0, 1)) / DAY_MS),
  getFullYear: (time) => time.getUTCFullYear(),
  getHours: (time) => time.getUTCHours(),
  getMilliseconds: (time) => time.getUTCMilliseconds(),
  getMinutes: (time) => time.getUTCMinutes(),
  getMonth: (time) => time.getUTCMonth(),
  getSeconds: (time) => time.getUTCSeconds(),
};

const NANOSECONDS: Readonly<Record<string, bigint>> = {
  h: 3_600_000_000_000n,
  m: 60_000_000_000n,
  s: 1_000_000_000n,
  ms: 1_000_000n,
  us: 1_000n,
  µs: 1_000n,
  ns: 1n,
};

const functions: readonly Definition[] = [
  ["timestamp", ["string"], "timestamp", ([text], meter) => readTimestamp(text as string, meter)],
  ["timestamp", ["int"], "timestamp", ([seconds]) => timestamp(Number(seconds) * 1_000)],
  ["duration", ["string"], "duration", ([text], meter) => readDuration(text as string, meter)],
];

const methods: readonly Definition[] = [
  ...Object.entries(FIELDS).flatMap(([name, field]): Definition[] => [
    [name, ["timestamp"], "int", ([time]) => BigInt(field(time as Date))],
    [
      name,
      ["timestamp", "string"],
      "int",
      ([time, zone], meter) => inZone(time as Date, zone as string, field, meter),
    ],
  ]),
  ...(["h", "m", "s", "ms"] as const).map((unit, at): Definition => {
    const name = ["getHours", "getMinutes", "getSeconds", "getMilliseconds"][at] as string;
    return [
      name,
      ["duration"],
      "int",
      ([duration]) => (duration as Duration).nanoseconds / (NANOSECONDS[unit] as bigint),
    ];
  }),
];

export const TIME_FUNCTIONS = { functions, methods };

function readTimestamp(text: string, meter: Meter): Date | Fault {
  meter.spend(TIMESTAMP_STEPS);
  const ms = text.length < 20 || text.length > 30 ? Number.NaN : new Date(text).getTime();
  const time = timestamp(ms);
  return time instanceof Fault ? new Fault("timestamp() of a string that is not an ISO 8601 time") : time;
}

function inZone(time: Date, zone: string, field: (time: Date) => number, meter: Meter): Value | Fault {
  meter.spend(ZONE_STEPS);
  if (zone.length > ZONE_CHARS) return new Fault("no such time zone");
  try {
    const local = time.toLocaleString("en-US", { timeZone: zone });
    const moved = new Date(`${local} UTC`);
    moved.setUTCMilliseconds(time.getUTCMilliseconds());
    return Number.isNaN(moved.getTime()) ? new Fault("timestamp out of range") : BigInt(field(moved));
  } catch (cause) {
    if (cause instanceof RangeError) return new Fault(`no such time zone: ${quoted(zone)}`);
    throw cause;
  }
}

const DURATION_PART = /([0-9]*)\.?([0-9]*)(ns|us|µs|ms|s|m|h)/y;

/** Numbers with units, as "-1h30m" and "2.5s" (Go's ParseDuration). */
function readDuration(text: string, meter: Meter): Duration | Fault {
  const fault = new Fault("duration() of a string that is not a duration");
  if (text.length > DURATION_CHARS) return fault;
  meter.spend(text.length * DURATION_STEPS);
  let at = /^[-+]/.test(text) ? 1 : 0;
  if (at === text.length) return fault;
  let total = 0n;
  while (at < text.length) {
    DURATION_PART.lastIndex = at;
    const match = DURATION_PART.exec(text);
    if (match === null) return fault;
    const [, whole = "", fraction = "", unit = ""] = match;
    const nanoseconds = NANOSECONDS[unit] as bigint;
    const digits = fraction.slice(0, 13);
    total += BigInt(whole) * nanoseconds + (BigInt(digits) * nanoseconds) / 10n ** BigInt(digits.length);
    at = DURATION_PART.lastIndex;
  }
  return new Duration(text.startsWith("-") ? -total : total);
}

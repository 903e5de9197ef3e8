// Fields and indices: a map by its own keys, a list by position, an optional through its value.
import type { Meter } from "./meter.ts";
import { keyOf, nameOf } from "./operators.ts";
import { Fault, isMap, Optional, quoted, type Value } from "../values/values.ts";

/** The value of a key, or the fault that it is missing. */
export function at(holder: Value, key: Value, meter: Meter): Value | Fault {
  if (isMap(holder)) {
    const name = keyOf(key, meter);
    if (name !== null && Object.hasOwn(holder, name)) return holder[name] as Value;
    return new Fault(() => `no such key: ${name === null ? nameOf(key) : quoted(name)}`);
  }
  if (Array.isArray(holder)) {
    if (typeof key !== "bigint" && typeof key !== "number")
      return new Fault(() => `a list has no ${nameOf(key)} index`);
    const item = (holder as readonly Value[])[Number(key)];
    return item === undefined
      ? new Fault(() => `index ${quoted(`${key}`)} is outside a list of ${holder.length}`)
      : item;
  }
  if (holder instanceof Optional) return optionalAt(holder, key, meter);
  const name = keyOf(key, meter);
  return new Fault(() => `${nameOf(holder)} has no field${name === null ? "" : ` ${quoted(name)}`}`);
}

/** The value of a key as an optional. */
export function optionalAt(holder: Value, key: Value, meter: Meter): Optional {
  const value = holder instanceof Optional ? holder.value : holder;
  if (value === undefined) return Optional.NONE;
  const found = at(value, key, meter);
  if (found instanceof Fault) return Optional.NONE;
  return found instanceof Optional ? found : new Optional(found);
}

// The JSON types: values of fields in which an agent or a caller may send anything. Text is read by core/json/json.ts,
// which has already refused depth, dangerous keys and non-finite numbers, so these schemas need not walk the value
// again. An integer that a double would change is a BigInt (core/json/exact-integer.ts).
import * as z from "./zod.ts";

export const JsonObject = z.record(z.string(), z.unknown());
export type JsonObject = z.infer<typeof JsonObject>;

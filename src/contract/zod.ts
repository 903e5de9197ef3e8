// zod as the contract uses it: its functional interface, of which a bundle carries only what is used, and the texts
// of its messages, which that interface leaves out. Contract schemas import this module, not zod. Making one costs an
// isolate's start about a tenth of a millisecond a field: what few calls need is in a z.lazy.
import * as z from "zod/mini";
import en from "zod/v4/locales/en.js";

z.config(en());

export * from "zod/mini";

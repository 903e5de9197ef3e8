// Replaces @upstash/core-analytics in the bundle (the alias in wrangler.toml), which @upstash/ratelimit imports for
// analytics that are turned off here.
export function Analytics(): never {
  throw new Error("The rate limit's analytics are not in this bundle.");
}

// The product's version. package.json says the same, and a test compares them: a bundle that imports
// package.json carries all of it.
export const VERSION = "0.2.0";

// Before any test: the page is built, since wrangler refuses to start a Worker whose assets are missing.
import { buildConsole } from "../../../src/cli/console.ts";

export default buildConsole;

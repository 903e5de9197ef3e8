// The Durable Object of one budget of the config, of one tag's value where it is a tag's: what its runs have spent, and
// what isolates are lent of the rest (src/core/spending). One row, written with each report; it goes when nothing of it
// counts any more.
import { DurableObject } from "cloudflare:workers";
import {
  aged,
  emptyAt,
  NOTHING_SPENT,
  type SpendingAccount,
  type SpendingAnswer,
  type SpendingReport,
  type SpendingStanding,
  type SpendingTerms,
  standingOf,
  takeReport,
} from "../core/spending/account.ts";
import type { SpendingRpc } from "../engine/worker-ports.ts";
import type { Env } from "../settings.ts";

const ACCOUNT = "account";

interface Stored {
  account: SpendingAccount;
  window_seconds: number;
}

export class SpendingObject extends DurableObject<Env> implements SpendingRpc {
  private account: SpendingAccount;
  private hasAlarm: boolean;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const stored = ctx.storage.kv.get<Stored>(ACCOUNT);
    this.account = stored?.account ?? NOTHING_SPENT;
    this.hasAlarm = stored !== undefined;
  }

  async report(terms: SpendingTerms, report: SpendingReport): Promise<SpendingAnswer> {
    const { account, answer } = takeReport(this.account, terms, report, Date.now());
    await this.keep(account, terms);
    return answer;
  }

  async standing(terms: SpendingTerms): Promise<SpendingStanding> {
    return standingOf(this.account, terms, Date.now());
  }

  override async alarm(): Promise<void> {
    const stored = this.ctx.storage.kv.get<Stored>(ACCOUNT);
    if (stored === undefined) return;
    const terms = { cost_usd: 0, window_seconds: stored.window_seconds };
    this.account = aged(this.account, terms, Date.now());
    const empty_at = emptyAt(this.account, terms);
    if (empty_at !== null) {
      await this.ctx.storage.setAlarm(empty_at);
      return;
    }
    await this.ctx.storage.deleteAll();
    this.hasAlarm = false;
  }

  private async keep(account: SpendingAccount, terms: SpendingTerms): Promise<void> {
    this.account = account;
    const stored: Stored = { account, window_seconds: terms.window_seconds };
    this.ctx.storage.kv.put(ACCOUNT, stored);
    if (this.hasAlarm) return;
    // One alarm a window: it is set again where something still counts.
    this.hasAlarm = true;
    await this.ctx.storage.setAlarm(emptyAt(account, terms) ?? Date.now());
  }
}

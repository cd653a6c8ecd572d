// What a failed background run means, in a language that has only the published JSON.
// Usage: node background_errors.mjs CODE [TYPE]
import { readFileSync } from "node:fs";

const published = new URL("../../docs/background_errors.json", import.meta.url);
const contract = JSON.parse(readFileSync(process.env.BACKGROUND_ERRORS ?? published, "utf8"));
const causes = new Map(contract.rules.filter(({ kind }) => kind !== "reason").map((rule) => [rule.key, rule]));

const find = (word) => causes.get(`${word}`) ?? (/^5\d\d$/.test(word) ? causes.get("5xx") : undefined);

// A wrapper's cause may stand in the message, too; this reads code and type only.
export function verdict({ code, type }) {
  const found = [code, type].map(find).filter(Boolean);
  const quota = found.some((rule) => rule.equivalent === "RateLimitError" && !rule.retryable);
  const { raised, retryable } = found[0] ?? { raised: contract.endings.failed, retryable: false };
  return { raised, retryable: retryable && !quota };
}

const [code, type] = process.argv.slice(2);
console.log(JSON.stringify(verdict({ code, type })));

// What a failed background run means, in a language that has only the published JSON.
// Usage: node background_errors.mjs CODE [TYPE [MESSAGE]]
import { readFileSync } from "node:fs";

const published = new URL("../../src/openai/lib/background/background_errors.json", import.meta.url);
const contract = JSON.parse(readFileSync(process.env.BACKGROUND_ERRORS ?? published, "utf8"));
const rules = new Map(contract.rules.map((rule) => [`${rule.kind} ${rule.key}`, rule]));

export function verdict({ code, type, message = "" }) {
  const number = /^\d{3}$/.test(code) ? `${code}` : "";
  const keys = { code: [code], status: [number, number.replace(/^5../, "5xx")], type: [type] };
  const found = contract.failed.order.flatMap((kind) => keys[kind].map((key) => rules.get(`${kind} ${key}`)));
  const rule = found.find(Boolean) ?? { ...contract.failed.otherwise, retryable: false };
  const { types, message_contains } = contract.never_retryable;
  const never = types.includes(type) || message_contains.some((part) => message.toLowerCase().includes(part));
  return { class: rule.class, retryable: rule.retryable && !never };
}

const [code, type, message] = process.argv.slice(2);
console.log(JSON.stringify(verdict({ code, type, message })));

// What can be done with a thing: found among the commands, by what they take and are called.

import { command, session } from "./api.js";
import { spoken } from "./words.js";

/** Commands that take this one: those used often, if it is in a state for them, and all others. */
export function actionsOn(noun, row) {
  const fit = [...session.commands.values()].filter(
    (one) => paramFor(noun, one) && !/^(list|query)/.test(one.name),
  );
  const isNow = (name) => noun.when?.[name]?.includes(row.jobstate ?? row.state) ?? true;
  const often = noun.often
    .filter(isNow)
    .map(command)
    .filter((one) => one && paramFor(noun, one));
  const others = fit.filter((one) => !often.includes(one) && !noun.create.includes(one.name));
  return { often, others: others.sort((a, b) => (a.name < b.name ? -1 : 1)) };
}

/** `startVirtualMachine` on the page of one: "Start". */
export function shortly(noun, name) {
  const short = name.replace(noun.word, "").replace(/(To|Of|For|From)$/, "");
  return spoken(SHORT[name] ?? (/^[a-z]+$/.test(short) || name.includes(noun.word) ? short : name));
}

const SHORT = { createConsoleEndpoint: "console", deployVirtualMachine: "deploy" };

/** The parameter by which this command takes one of these; undefined if it takes none. */
export function paramFor(noun, api) {
  const named = api.params.filter((param) => param.required).map((param) => param.name);
  if (noun.param && noun.param !== "name" && named.includes(noun.param)) return noun.param;
  const ends = [noun.word, `${noun.word}s`].some((word) => isAbout(api.name, word));
  const own = noun.id ?? "id";
  if (ends && named.includes(own)) return own;
  return noun.often.includes(api.name) ? fallback(noun, api) : undefined;
}

/** `startVirtualMachine` is about a `VirtualMachine`; `createVMSnapshot` about no `Snapshot`. */
function isAbout(name, word) {
  return (
    new RegExp(`^[a-z]+(To|For|Of)?${word}$`).test(name) ||
    new RegExp(`(For|Of|To|From)${word}$`).test(name)
  );
}

function fallback(noun, api) {
  const names = api.params.map((param) => param.name);
  return [noun.param, noun.id ?? "id"].find((name) => name && names.includes(name));
}

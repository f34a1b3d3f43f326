// The cloud's own API, which is all that this console has: a session, calls, what may be called.

import { pastOf } from "./moment.js";

const WHERE = "/client/api";
const KEPT = "sagastack.session";
const SESSION_OVER = 401;

/** The cloud's answer was no. `message` is its own words. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const session = {
  who: JSON.parse(sessionStorage.getItem(KEPT) ?? "null"),
  commands: new Map(),
  onEnd: () => {},
};

/** May whoever signed in call this command? Its description, or undefined. */
export function command(name) {
  return session.commands.get(name);
}

/** Whether this is somebody who runs the cloud: only they have its hosts. */
export function isOperator() {
  return session.commands.has("listHosts");
}

export async function signIn(username, password, domain) {
  keep(await post({ command: "login", username, password, domain: domain || "/" }));
}

export function lacksSecondFactor() {
  return session.who?.is2faenabled === "true" && session.who.is2faverified === "false";
}

export async function giveSecondFactor(code) {
  await call("validateUserTwoFactorAuthenticationCode", { codefor2fa: code });
  keep({ ...session.who, is2faverified: "true" });
}

export async function signOut() {
  await call("logout").catch(() => {});
  forget();
}

/** Learn what may be called: lists, actions and forms are made from it. */
export async function learn() {
  const told = await call("listApis");
  session.commands = new Map(told.api.map((one) => [one.name, one]));
}

/** Call a command; what is empty is not sent. Throws `Refused` with the cloud's words. */
export async function call(name, params = {}) {
  const past = pastOf(name);
  const sent = { command: name, sessionkey: session.who?.sessionkey, ...params };
  if (past && takes(name, "asof")) sent.asof = past;
  try {
    return await post(sent);
  } catch (refused) {
    if (refused.status === SESSION_OVER && session.who) forget();
    throw refused;
  }
}

/** Does it only ask? What changes something can be tried. */
export function asks(name) {
  return !takes(name, "dryrun");
}

export function takes(name, param) {
  return command(name)?.params.some((one) => one.name === param) ?? false;
}

/** The thing that an answer tells of, which stands under its name; else the answer itself. */
export function insideOf(answer) {
  return Object.values(answer ?? {}).find((value) => value && typeof value === "object") ?? answer;
}

async function post(params) {
  const body = new URLSearchParams({ response: "json" });
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined && value !== null && value !== "") body.append(name, value);
  }
  let answer;
  try {
    answer = await fetch(WHERE, { method: "POST", body });
  } catch {
    throw new Refused(
      0,
      "The controller does not answer. Is it running, and is this machine online?",
    );
  }
  const told = await answer.json().catch(() => ({}));
  const inside = Object.values(told)[0] ?? {};
  if (!answer.ok)
    throw new Refused(
      answer.status,
      inside.errortext ?? `The controller answered ${answer.status}.`,
    );
  return inside;
}

function keep(who) {
  session.who = who;
  sessionStorage.setItem(KEPT, JSON.stringify(who));
}

function forget() {
  session.who = null;
  session.commands = new Map();
  sessionStorage.removeItem(KEPT);
  session.onEnd();
}

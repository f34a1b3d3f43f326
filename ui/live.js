// What happens in the cloud, as it happens: the log, from now on. Pages are drawn anew by it.

import { session } from "./api.js";

const WAIT_MS = 3000;
const SETTLE_MS = 400;
const LOOK_MS = 30_000;
// However much happens, a page asks no more than a tenth of the time.
const RESTS = 9;
export const ANYTHING = "*";
const listeners = new Set();
let reading = null;
let looking = 0;

/** Call `listener` with the topics of what has happened, a few at a time. Gives what ends that. */
export function onEvents(listener) {
  const waiting = new Set();
  let timer = 0;
  let tookMs = 0;
  const tell = async () => {
    const topics = [...waiting];
    waiting.clear();
    const began = performance.now();
    await listener(topics);
    tookMs = performance.now() - began;
    timer = 0;
    if (waiting.size) heard(waiting.values().next().value);
  };
  const heard = (topic) => {
    waiting.add(topic);
    timer ||= setTimeout(tell, Math.max(SETTLE_MS, RESTS * tookMs));
  };
  listeners.add(heard);
  return () => {
    listeners.delete(heard);
    clearTimeout(timer);
  };
}

function anything() {
  for (const heard of listeners) heard(ANYTHING);
}

/** Read the log, again whenever the line is lost; `told` says whether it is up. */
async function listen(told) {
  stopListening();
  const own = (reading = new AbortController());
  const at = { position: "now" };
  let wasLost = false;
  while (!own.signal.aborted) {
    try {
      const query = new URLSearchParams({
        after: at.position,
        sessionkey: session.who?.sessionkey ?? "",
      });
      const answer = await fetch(`/client/events?${query}`, { signal: own.signal });
      told(answer.ok);
      if (wasLost) anything();
      if (!answer.ok) return; // A role that may not read events, or a session that is over.
      await pour(answer.body, at);
    } catch (lost) {
      if (!(lost instanceof TypeError || lost instanceof DOMException)) throw lost;
    }
    if (own.signal.aborted) return;
    told(false);
    wasLost = true;
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
  }
}

/** As `listen`, while the page is before somebody: what happened meanwhile may be anything. */
export function listenWhileSeen(told) {
  clearInterval(looking);
  // What others did to one's own things is not always among the events that one may read.
  looking = setInterval(() => document.hidden || anything(), LOOK_MS);
  document.onvisibilitychange = () => {
    if (document.hidden) {
      stopListening();
      return;
    }
    listen(told);
    anything();
  };
  listen(told);
}

export function listenNoMore() {
  clearInterval(looking);
  document.onvisibilitychange = null;
  stopListening();
}

function stopListening() {
  reading?.abort();
}

/** Server-sent events: lines of `name: value`. `at` is moved on, to go on from there. */
async function pour(body, at) {
  let text = "";
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const lines = text.split("\n");
    text = lines.pop();
    for (const line of lines) {
      if (line.startsWith("id: ")) at.position = Number(line.slice(4));
      if (line.startsWith("event: ")) for (const heard of listeners) heard(line.slice(7));
    }
  }
}

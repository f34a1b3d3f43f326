// The moment that is looked at: now, or one in the past, of which every list can tell.

import { h, show } from "./dom.js";

let past = "";
const listeners = new Set();
// What is not a list of the cloud's own things is asked about now, whatever moment is looked at.
const ALWAYS_NOW = new Set(["listApis", "queryAsyncJobResult", "listCapabilities"]);

export function isPast() {
  return past !== "";
}

/** What `asof` to send with this command; empty for now. */
export function pastOf(name) {
  return ALWAYS_NOW.has(name) ? "" : past;
}

export function onMoment(listener) {
  listeners.add(listener);
}

export function look(at) {
  past = at;
  for (const listener of listeners) listener();
}

/** The control in the header: "now", or the moment that is looked at. */
export function momentControl() {
  const holder = h("div.moment");
  const draw = () => {
    const field = h("input", {
      type: "datetime-local",
      step: 1,
      value: past ? local(dateOf(past)) : "",
      "aria-label": "look at the cloud as it was at",
      title: "Look at the cloud as it was at a moment in the past",
      onchange: () => look(field.value ? stamp(new Date(field.value)) : ""),
    });
    const now = h("button", { type: "button", onclick: () => look("") }, "back to now");
    show(
      holder,
      h("span", past ? "As it was at" : "As of"),
      field,
      past ? now : h("span.faint", "now"),
    );
    document.body.classList.toggle("past", isPast());
  };
  onMoment(draw);
  draw();
  return holder;
}

/** A moment of the API's, `2026-01-31T10:00:00+0000`: the colon that browsers want is not there. */
export function dateOf(text) {
  return new Date(text.replace(/([+-]\d\d)(\d\d)$/, "$1:$2"));
}

/** Moments are told in whole seconds: what happened in one has happened when it is over. */
export function secondAfter(text) {
  return stamp(new Date(dateOf(text).getTime() + 1000));
}

function two(number) {
  return String(number).padStart(2, "0");
}

/** As the input wants it: the wall's time, without a zone. */
function local(at) {
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day}T${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** As the API wants it: 2026-01-31T10:00:00+0000. */
function stamp(at) {
  return at.toISOString().replace(/\.\d+Z$/, "+0000");
}

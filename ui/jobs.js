// Jobs that were begun here, followed until they end; and short words in the corner.

import { call, insideOf } from "./api.js";
import { button, h, show } from "./dom.js";
import { spoken } from "./words.js";

const POLL_MS = 700;
const STAYS_MS = 6000;
const corner = h("div.corner", { "aria-live": "polite" });
const listeners = new Set();

export function corners() {
  return corner;
}

/** Call `listener` whenever a job that was begun here has ended. */
export function onJobEnd(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** A word in the corner. What is bad stays until it is put away. */
export function toast(title, text, tone) {
  const one = h(`div.toast.${tone}`, h("strong", title), h("div", text));
  one.append(button("✕", () => one.remove(), { className: "close", "aria-label": "put away" }));
  corner.append(one);
  if (tone === "good") setTimeout(() => one.remove(), STAYS_MS);
  return one;
}

/** Follow a job: where it is, and how it ended. */
export async function begun(name, jobId) {
  const about = h("div", "begun");
  const one = toast(spoken(name), "", "busy");
  one.lastElementChild.before(about);
  const link = h("a", { href: `#/jobs/${jobId}` }, "the job");
  for (;;) {
    let job;
    try {
      job = await call("queryAsyncJobResult", { jobid: jobId });
    } catch (refused) {
      if (refused.status) {
        one.remove();
        toast(spoken(name), refused.message, "bad");
        return;
      }
    }
    if (job?.jobstatus === 1) {
      const kept = keptOf(job.jobresult);
      one.remove();
      toast(spoken(name), kept ?? "done", kept ? "kept" : "good");
      break;
    }
    if (job?.jobstatus === 2) {
      one.remove();
      toast(spoken(name), [job.jobresult?.errortext ?? "it failed", " ", link], "bad");
      break;
    }
    if (job)
      show(
        about,
        job.progress ?? job.jobstate ?? "under way",
        job.percent ? ` ${job.percent} %` : "",
        " ",
        link,
      );
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  for (const listener of listeners) listener();
}

/** What a job told that somebody came for stays in the corner: a password, where to download. */
function keptOf(result) {
  const inside = insideOf(result);
  if (inside?.password) return `its password is ${inside.password}`;
  if (inside?.extractMode !== "HTTP_DOWNLOAD" || !/^https?:/.test(inside.url)) return undefined;
  return h("a", { href: inside.url, target: "_blank", rel: "noopener" }, "download it");
}

"""The page of a serial console: text as it comes, keys as a terminal sends them."""

from __future__ import annotations

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Serial console</title>
<style nonce="NONCE">
  html, body { margin: 0; height: 100%; background: #111; color: #ddd; }
  pre { margin: 0; padding: 8px; min-height: 95%; white-space: pre-wrap; outline: none;
        font: 14px/1.3 monospace; }
</style></head><body><pre id="screen" tabindex="0" aria-label="serial console"></pre>
<script nonce="NONCE">
const screen = document.getElementById("screen"), decoder = new TextDecoder();
const LINES = 2000;
let lines = [""], column = 0, open = false, rest = "";
function put(text) {
  text = (rest + text).replace(/\\x1b\\[[0-9;?=]*[A-Za-z]|\\x1b[()][A-Z0-9]|\\x1b[=>78M]/g, "");
  const cut = text.search(/\\x1b[^\\x1b]{0,12}$/);
  rest = cut < 0 ? "" : text.slice(cut);
  for (const char of cut < 0 ? text : text.slice(0, cut)) {
    const last = lines.length - 1;
    if (char === "\\n") { lines.push(""); column = 0; }
    else if (char === "\\r") column = 0;
    else if (char === "\\b") column = Math.max(0, column - 1);
    else if (char >= " " || char === "\\t") {
      lines[last] = lines[last].slice(0, column).padEnd(column) + char
        + lines[last].slice(column + 1);
      column += 1;
    }
  }
  if (lines.length > LINES) lines = lines.slice(-LINES);
  screen.textContent = lines.join("\\n") + "\\u2588";
  window.scrollTo(0, document.body.scrollHeight);
}
const ticket = location.hash.slice(1);
history.replaceState(null, "", location.pathname);
const scheme = location.protocol === "https:" ? "wss://" : "ws://";
const line = new WebSocket(scheme + location.host + location.pathname + "/line");
line.binaryType = "arraybuffer";
line.onopen = () => { open = true; line.send(ticket); screen.focus(); };
line.onmessage = (message) => put(typeof message.data === "string"
  ? "\\r\\n[" + message.data + "]\\r\\n" : decoder.decode(message.data, { stream: true }));
line.onclose = () => { open = false; put("\\r\\n[closed: ask for a console again]\\r\\n"); };
const type = (text) => { if (open) line.send(new TextEncoder().encode(text)); };
const KEYS = { Enter: "\\r", Backspace: "\\x7f", Tab: "\\t", Escape: "\\x1b", Delete: "\\x1b[3~",
  ArrowUp: "\\x1b[A", ArrowDown: "\\x1b[B", ArrowRight: "\\x1b[C", ArrowLeft: "\\x1b[D",
  Home: "\\x1b[H", End: "\\x1b[F", PageUp: "\\x1b[5~", PageDown: "\\x1b[6~" };
screen.addEventListener("keydown", (event) => {
  let text = KEYS[event.key];
  if (event.ctrlKey && /^[a-z]$/i.test(event.key) && !event.shiftKey)
    text = String.fromCharCode(event.key.toUpperCase().charCodeAt(0) - 64);
  else if (text === undefined && event.key.length === 1 && !event.ctrlKey && !event.metaKey)
    text = event.key;
  if (text !== undefined) { event.preventDefault(); type(text); }
});
screen.addEventListener("paste", (event) => {
  event.preventDefault();
  type(event.clipboardData.getData("text").replace(/\\r?\\n/g, "\\r"));
});
</script></body></html>
"""

// Elements, in one short word each. Text is always text: nothing here makes markup of a value.

/** An element `tag` (with classes, as "button.small"), its properties, and what is in it. */
export function h(tag, ...parts) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name || "div");
  element.classList.add(...classes);
  let inside = parts;
  if (isProperties(parts[0])) {
    assign(element, parts[0]);
    inside = parts.slice(1);
  }
  element.append(...inside.flat(Infinity).filter(isShown));
  return element;
}

/** Put these into `parent` in place of what is there. */
export function show(parent, ...inside) {
  parent.replaceChildren(...inside.flat(Infinity).filter(isShown));
  return parent;
}

function isShown(part) {
  return part !== null && part !== undefined && part !== false;
}

function isProperties(part) {
  return (
    part !== null && typeof part === "object" && Object.getPrototypeOf(part) === Object.prototype
  );
}

function assign(element, properties) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && !name.startsWith("aria-")) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
}

/** A button that says what it is doing, and does it once at a time. */
export function button(label, act, more = {}) {
  const one = h("button", { type: "button", ...more }, label);
  one.addEventListener("click", async () => {
    one.disabled = true;
    try {
      await act();
    } finally {
      one.disabled = false;
    }
  });
  return one;
}

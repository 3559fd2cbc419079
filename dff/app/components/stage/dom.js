// Small helpers: nodes, texts, numbers. Texts are set by textContent only, never parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

const ICONS = {
  pencil: "M4 20l1-4L16 5l3 3L8 19l-4 1zM14 7l3 3",
  close: "M6 6l12 12M18 6L6 18",
  left: "M14.5 5.5L8 12l6.5 6.5",
  right: "M9.5 5.5L16 12l-6.5 6.5",
  region: "M4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4",
  star: "M12 4l2.4 5 5.6.8-4 3.9.9 5.5-4.9-2.6-4.9 2.6.9-5.5-4-3.9 5.6-.8z",
  sliders: "M4 8h9M17 8h3M4 16h3M11 16h9M15 6v4M9 14v4",
};

/** Make an element: attributes by name, `class`, `text`, `on…` handlers, then its children. */
function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Make an SVG element. */
function v(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function setAttribute(node, name, value) {
  if (value === null || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}

/** A number with a true minus sign. */
function number(value, digits = 3) {
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}

function signed(value, digits = 3) {
  return value > 0 && Number(value.toFixed(digits)) !== 0
    ? `+${number(value, digits)}`
    : number(value, digits);
}

function percent(share) {
  const value = share * 100;
  return value > 0 && value < 1 ? "<1 %" : `${Math.round(value)} %`;
}

/** "a", "a and b", "a, b and c". */
function listed(items) {
  if (items.length < 2) return items.join("");
  return `${items.slice(0, -1).join(", ")} and ${items[items.length - 1]}`;
}

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function sameValue(a, b) {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length && keys.every((key) => sameValue(a[key], b[key]))
  );
}

function sameNumbers(a, b) {
  return a.length === b.length && a.every((value, i) => Math.abs(value - b[i]) < 1e-6);
}

/** Keep the old object where the new one says the same, so that caches by object stay valid. */
function keepIfSame(old, fresh) {
  return old && sameValue(old, fresh) ? old : fresh;
}

/** A bounded map: the entry that was not used for longest goes first. */
class Recent {
  constructor(limit) {
    this.limit = limit;
    this.map = new Map();
  }

  get(key, make) {
    let value = this.map.get(key);
    if (value === undefined) value = make();
    this.map.delete(key);
    this.map.set(key, value);
    if (this.map.size > this.limit) this.map.delete(this.map.keys().next().value);
    return value;
  }
}

const idNumbers = new WeakMap();
let nextIdNumber = 1;

/** A number that names an object for as long as it lives (for cache keys). */
function idOf(object) {
  if (!object) return 0;
  if (!idNumbers.has(object)) idNumbers.set(object, nextIdNumber++);
  return idNumbers.get(object);
}

const prefersNoMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Keys typed into a field are not shortcuts, neither ours nor the page's. */
function quietTyping(event) {
  const typing = event.target.matches("input[type=text], input[type=number], select");
  if (typing) event.stopPropagation();
  return typing;
}

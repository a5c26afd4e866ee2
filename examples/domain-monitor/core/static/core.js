// What a page does beyond htmx: messages, menus that close, picked rows, times in the reader's zone, focus that stays.
// Everything listens on the document, so parts that htmx swaps in need no start-up of their own.
const MESSAGE_STAYS = 6000;

// Messages: from a response header `HX-Trigger: {"toast": …}` (a text, or {text, tone, href, label}) or from here.
function toast({ text, tone = "", href = "", label = "" }) {
  const region = document.getElementById("toasts");
  const pattern = document.getElementById(tone === "bad" ? "toast-pattern-bad" : "toast-pattern");
  if (!region || [...region.querySelectorAll("[data-text]")].some((shown) => shown.textContent === text)) return;
  const message = pattern.content.firstElementChild.cloneNode(true);
  const link = message.querySelector("[data-link]");
  message.querySelector("[data-text]").textContent = text;
  if (/^\/(?!\/)/.test(href)) Object.assign(link, { href, textContent: label || "Open", hidden: false });
  region.append(message);
  fade(message);
}

// A good message goes by itself, unless the pointer or the focus is on it; a bad one stays until it is dismissed.
function fade(message) {
  if (message.dataset.toast === "bad") return;
  setTimeout(() => (message.matches(":hover, :focus-within") ? fade(message) : message.remove()), MESSAGE_STAYS);
}

document.addEventListener("toast", ({ detail }) => toast("value" in detail ? { text: String(detail.value) } : detail));

document.addEventListener("click", ({ target }) => target.closest("[data-close]")?.closest("[data-toast]")?.remove());

// Menus made of <details> close on Escape, on a click elsewhere and when the focus leaves them.
const openMenus = () => document.querySelectorAll("details[data-popover][open]");

function closeMenus(except) {
  for (const menu of openMenus()) if (!except || !menu.contains(except)) menu.open = false;
}

document.addEventListener("click", ({ target }) => closeMenus(target));
document.addEventListener("focusin", ({ target }) => closeMenus(target));
document.addEventListener("keydown", ({ key }) => {
  if (key !== "Escape") return;
  for (const menu of openMenus()) {
    if (menu.contains(document.activeElement)) menu.querySelector("summary").focus();
    menu.open = false;
  }
});

// A menu's panel ends where the window does; where little room is left below, its button goes up to the top first.
document.addEventListener("toggle", ({ target }) => {
  const panel = target.open && target.matches("[data-popover]") && target.querySelector("[data-panel]");
  if (!panel) return;
  const room = () => innerHeight - panel.getBoundingClientRect().top - 16;
  if (room() < Math.min(panel.scrollHeight, innerHeight / 2)) target.scrollIntoView({ block: "start" });
  panel.style.maxHeight = `${Math.max(240, room())}px`;
}, true);

// A column's head with shift: sort by it as well, after the others.
document.addEventListener("click", (event) => {
  const head = event.shiftKey && event.target.closest("a[data-also]");
  if (!head) return;
  event.preventDefault();
  event.stopPropagation();
  const target = head.getAttribute("hx-target");
  htmx.ajax("GET", head.dataset.also, { source: head, target, swap: "outerHTML", push: head.dataset.also });
}, true);

// Picking rows: the head's box, which only a script can serve, picks the whole page; the bar says how many there are.
document.documentElement.classList.add("scripted");
document.addEventListener("change", ({ target }) => {
  const table = target.closest(".picking");
  if (!table || !target.matches("[name=key], [name=all], [data-pick-page]")) return;
  if (target.matches("[data-pick-page]")) for (const box of table.querySelectorAll("[name=key]")) box.checked = target.checked;
  countPicked(table);
});
document.addEventListener("reset", ({ target }) => setTimeout(() => target.matches(".picks") && countPicked(target.closest(".picking"))));

function countPicked(table) {
  const boxes = [...table.querySelectorAll("[name=key]")];
  const picked = boxes.filter((box) => box.checked).length;
  const whole = table.querySelector("[data-pick-page]");
  const all = table.querySelector("[name=all]:checked");
  Object.assign(whole, { checked: picked === boxes.length, indeterminate: picked > 0 && picked < boxes.length });
  table.querySelector("[data-picked]").textContent = `${all ? all.dataset.all : picked} picked`;
}

// A plain form may ask before it is sent; one with hx-post is asked by htmx itself.
document.addEventListener("submit", (event) => {
  const question = event.target.matches("[hx-post]") ? "" : event.target.getAttribute("hx-confirm");
  if (question && !confirm(question)) event.preventDefault();
});

// Times: the server writes UTC; people read their own zone, with the other form on hover. Numbers: as their language does.
const UNITS = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60]];
const distance = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

function ago(moment) {
  const seconds = (moment - Date.now()) / 1000;
  const [unit, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
  return unit === "second" ? (seconds > 0 ? "in a moment" : "just now") : distance.format(Math.round(seconds / size), unit);
}

const readable = (moment) => moment.toISOString().slice(0, 19).replace("T", " ");

function showForReader(root) {
  for (const time of root.querySelectorAll("time[data-time]")) {
    const iso = time.dateTime;
    const moment = new Date(/[zZ]|[+-]\d\d:?\d\d$/.test(iso) ? iso : `${iso}Z`);
    if (isNaN(moment)) continue;
    const local = readable(new Date(moment - moment.getTimezoneOffset() * 60000));
    time.title = `${local} here · ${readable(moment)} UTC`;
    if (time.dataset.time === "ago") time.textContent = ago(moment);
    if (time.dataset.time === "moment") time.textContent = local.slice(0, 16);
  }
  for (const data of root.querySelectorAll("data[data-number]")) {
    const parts = /^-?\d+(?:\.(\d{1,20}))?$/.exec(data.value); // 1e-07, inf and what has more digits stay as they came
    const digits = parts?.[1]?.length ?? 0;
    const format = new Intl.NumberFormat(undefined, { minimumFractionDigits: digits, maximumFractionDigits: digits });
    if (parts) data.textContent = format.format(data.value); // of the text, for a Number is exact up to 2^53 only
  }
}

showForReader(document);
setInterval(() => showForReader(document), 60000);
document.querySelectorAll("#toasts [data-toast]").forEach(fade);
document.addEventListener("htmx:after:process", ({ target }) => showForReader(target.parentNode ?? document));

// A GET form leaves out what is empty, so that a filtered table's address stays short enough to read.
document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => {
  if (!/get/i.test(ctx.request.method)) return;
  for (const [name, value] of [...ctx.request.body]) if (value === "") ctx.request.body.delete(name);
  const columns = ctx.request.body.getAll("cols");
  if (columns.length > 1) ctx.request.body.set("cols", columns.join(","));
});

// While a part loads it is busy; when the answer is not ours (a proxy's page) or none comes, the old part stays.
const element = (target) => (typeof target === "string" ? document.querySelector(target) : target);

document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => element(ctx.target)?.setAttribute("aria-busy", "true"));
document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => element(ctx.target)?.removeAttribute("aria-busy"));

document.addEventListener("htmx:response:error", ({ detail: { ctx } }) => {
  const type = ctx.response.headers.get("content-type") ?? "";
  if (type.includes("text/html") && !/^\s*<(!doctype|html)/i.test(ctx.text)) return;
  ctx.swap = "none";
  toast({ text: `The server answered with error ${ctx.response.status}. Nothing here has changed; try again in a minute.`, tone: "bad" });
});

document.addEventListener("htmx:error", ({ detail: { ctx, error } }) => {
  if (!ctx || ctx.response) return;
  const late = error?.name === "AbortError";
  toast({ text: `${late ? "The server took too long to answer." : "The server cannot be reached."} Check your connection and try again.`, tone: "bad" });
});

document.addEventListener("htmx:before:history:update", (event) => {
  if (event.detail.response?.status >= 400) event.preventDefault();
});

// A swap keeps what the reader holds: typed letters, the focused control, how far a table is scrolled.
const holds = new WeakMap();

document.addEventListener("htmx:before:swap", ({ detail: { ctx, tasks } }) => {
  const main = element(tasks.find((task) => task.type === "main")?.target);
  const active = document.activeElement;
  if (!main?.contains(active)) return holds.set(ctx, { scrolls: scrollsOf(main) });
  const copy = active.type === "search" && active.id && tasks[0].fragment.getElementById?.(active.id);
  const asked = new URL(ctx.request.action, location.href).searchParams.get(active.name) ?? "";
  if (copy) copy.value = active.value;
  const deed = active.id ? "" : active.closest("form[action]")?.getAttribute("action");
  holds.set(ctx, { scrolls: scrollsOf(main), typed: copy && asked !== active.value && active.id, deed });
});

document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  const { scrolls = [], typed, deed } = holds.get(ctx) ?? {};
  for (const { id, left, top } of scrolls) document.getElementById(id)?.scrollTo(left, ctx.push || ctx.replace ? 0 : top);
  if (typed) document.getElementById(typed).dispatchEvent(new Event("input", { bubbles: true }));
  if (deed) document.querySelector(`form[action="${CSS.escape(deed)}"] button`)?.focus({ preventScroll: true });
});

function scrollsOf(root) {
  const boxes = [...(root?.querySelectorAll("[data-keep-scroll][id]") ?? [])];
  return boxes.map((box) => ({ id: box.id, left: box.scrollLeft, top: box.scrollTop }));
}

// Pages work without this: it makes them live. Each part of a page with `data-live` (an id, and the
// address that it is fetched from again) is replaced when the service's status changes, without
// taking focus, scroll or selection from who reads it.
"use strict";
(() => {
  const PAUSE = 2000;
  const RETRY = 10000;
  const offline = document.getElementById("offline");
  const seen = new WeakMap();
  let last = 0;
  let timer = 0;
  let busy = false;
  let ended = false;

  const parts = () => [...document.querySelectorAll("[data-live]")];

  // Rows that are shown as blocks on a narrow screen stay a table for a screen reader.
  function prepare(root) {
    const roles = { table: "table", "thead, tbody, tfoot": "rowgroup", tr: "row", td: "cell",
      "thead th": "columnheader", "tbody th, tfoot th": "rowheader" };
    for (const table of root.querySelectorAll("table.rows")) {
      table.setAttribute("role", "table");
      for (const [which, role] of Object.entries(roles)) {
        for (const found of table.querySelectorAll(which)) found.setAttribute("role", role);
      }
    }
    // What scrolls sideways is reached by keyboard.
    for (const wide of root.querySelectorAll(".wide")) {
      if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0;
    }
    for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
      const at = new Date(time.dateTime);
      if (!isNaN(at)) time.title = at.toLocaleString() + " here";
    }
  }

  function say(text) {
    offline.textContent = text;
    offline.hidden = !text;
  }

  // Somebody types, chooses or marks a text here.
  function inUse(part) {
    const active = document.activeElement;
    if (part.contains(active) && active.matches("input, select, textarea")) return true;
    if (part.querySelector("details[open] form")) return true;
    const marked = document.getSelection();
    return marked && !marked.isCollapsed && part.contains(marked.anchorNode);
  }

  function replace(part, fresh) {
    const html = fresh.innerHTML;
    if (seen.get(part) === html || inUse(part)) return;
    seen.set(part, html);
    const focusable = "a, button, summary, [tabindex]";
    const active = part.contains(document.activeElement) ? document.activeElement : null;
    const place = active ? [...part.querySelectorAll(focusable)].indexOf(active) : -1;
    const scrolled = [...part.querySelectorAll(".wide")].map((wide) => wide.scrollLeft);
    const open = [...part.querySelectorAll("details")].map((details) => details.open);
    part.replaceChildren(...fresh.childNodes);
    part.querySelectorAll("details").forEach((details, n) => { details.open = open[n] ?? details.open; });
    prepare(part);
    part.querySelectorAll(".wide").forEach((wide, n) => { wide.scrollLeft = scrolled[n] ?? 0; });
    if (active) {
      const again = (active.id && document.getElementById(active.id)) || part.querySelectorAll(focusable)[place];
      (again ?? document.getElementById("main")).focus({ preventScroll: true });
    }
  }

  // The page has become another one, such as that of a lead that waits no longer.
  function become(page, whole) {
    const main = document.getElementById("main");
    if (inUse(main)) return;
    const had = main.contains(document.activeElement);
    main.replaceChildren(...whole.childNodes);
    document.title = page.title;
    prepare(main);
    if (had) main.focus({ preventScroll: true });
  }

  async function refresh() {
    timer = 0;
    if (busy || ended || document.hidden) return;
    busy = true;
    last = Date.now();
    try {
      const pages = new Map();
      for (const part of parts()) {
        const address = part.dataset.live || location.href;
        if (!pages.has(address)) pages.set(address, fetch(address, { headers: { accept: "text/html" } })
          .then(async (answer) => {
            if (answer.status === 401 || new URL(answer.url).pathname === "/login") {
              ended = true;
              say("You are signed out: load the page again to sign in.");
            }
            if (!answer.ok || ended) return null;
            return new DOMParser().parseFromString(await answer.text(), "text/html");
          }));
        const page = await pages.get(address);
        if (!page) continue;
        const fresh = part.id && page.getElementById(part.id);
        const whole = page.getElementById("main");
        if (fresh || !whole) {
          replace(part, fresh || page.body);
        } else {
          become(page, whole);
          break;
        }
      }
    } catch {
      // The stream says that the service is away.
    } finally {
      busy = false;
    }
  }

  function soon() {
    if (!timer) timer = setTimeout(refresh, Math.max(0, last + PAUSE - Date.now()));
  }

  function listen() {
    const events = new EventSource("/api/v1/events");
    events.addEventListener("open", () => { if (!ended) { say(""); soon(); } });
    events.addEventListener("status", soon);
    events.addEventListener("error", () => {
      if (!ended) say("Not connected: this page shows what was last known.");
      if (events.readyState === EventSource.CLOSED && !ended) setTimeout(listen, RETRY);
    });
    // A browser that leaves the page says so as an error, which nobody is to see.
    addEventListener("pagehide", () => events.close(), { once: true });
  }

  // What changes something is sent once.
  addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "1";
  });
  addEventListener("pageshow", (event) => {
    for (const form of document.forms) delete form.dataset.sent;
    if (event.persisted && parts().length) { listen(); soon(); }
  });

  prepare(document);
  for (const part of parts()) seen.set(part, part.innerHTML);
  if (parts().length) {
    listen();
    document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });
  }
})();

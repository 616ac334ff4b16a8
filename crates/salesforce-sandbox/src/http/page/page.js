// The sandbox's page: asks for /__sandbox/page.json every two seconds and shows it.
// Values from the org only ever become text nodes, so that none of them can be markup.
"use strict";

const EVERY_MS = 2000;
const PATIENCE_MS = 10000;
const LEADS = matchMedia("(max-width: 820px)").matches ? 8 : 20;
const SAMPLES = 60;

const byId = (id) => document.getElementById(id);
const view = { paused: false, search: "", offset: 0, lead: null, asking: 0, timer: 0 };
const samples = [];

// ---- Elements -------------------------------------------------------------------------------------------------

function element(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

function say(node, text) {
  const wanted = text === null || text === undefined ? "" : String(text);
  if (node.textContent !== wanted) node.textContent = wanted;
}

function dress(node, name) {
  if (node.className !== name) node.className = name;
}

// Makes the children of `parent` those of `items`, by key: what stays keeps its element, and with it focus and
// selection.
function show(parent, items, keyOf, make, fill) {
  const known = parent.known || (parent.known = new Map());
  const wanted = new Set();
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    wanted.add(key);
    let child = known.get(key);
    if (!child) {
      child = make(item);
      known.set(key, child);
    }
    fill(child, item);
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
  for (const [key, child] of known) {
    if (wanted.has(key)) continue;
    child.remove();
    known.delete(key);
  }
}

function row(...names) {
  const made = element("tr");
  for (const name of names) made.append(element("td", name));
  return made;
}

// ---- Words ----------------------------------------------------------------------------------------------------

const counted = new Intl.NumberFormat("en");
const number = (value) => counted.format(value);

function moment(micros) {
  const date = new Date(micros / 1000);
  return Number.isNaN(date.getTime()) ? "" : date.toISOString();
}

const clockTime = (micros) => moment(micros).slice(11, 19);
const dateTime = (micros) => moment(micros).slice(0, 19).replace("T", " ");

function span(micros) {
  const all = Math.max(0, Math.floor(micros / 1e6));
  const [days, hours, minutes, seconds] = [Math.floor(all / 86400), Math.floor(all / 3600) % 24, Math.floor(all / 60) % 60, all % 60];
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${seconds} s` : `${seconds} s`;
}

// ---- Sections -------------------------------------------------------------------------------------------------

const COUNTERS = [
  ["Leads", (d) => d.stats.leads],
  ["Created", (d) => d.stats.records_created],
  ["Upserted", (d) => d.stats.records_upserted],
  ["Rejected", (d) => d.stats.records_rejected, "bad"],
  ["Requests", (d) => d.stats.requests],
  ["API calls", (d) => d.stats.api_calls],
  ["In progress", (d) => d.stats.concurrent_calls],
  ["Most at once", (d) => d.stats.max_concurrent_calls],
  ["Logins", (d) => d.stats.logins],
  ["Sessions", (d) => d.sessions],
  ["Faults applied", (d) => d.stats.faults_applied],
  ["Held", (d) => d.held.length],
];

function showCounters(data) {
  show(byId("counters"), COUNTERS, ([name]) => name, ([name]) => {
    const box = element("div");
    box.append(element("dt", "", name), element("dd"));
    return box;
  }, (box, [, value, alarm]) => {
    const amount = value(data);
    say(box.lastElementChild, number(amount));
    dress(box, alarm && amount > 0 ? alarm : "");
  });
}

function limitsOf(usage) {
  const mode = usage.api_mode === "hard" ? "cut off exactly" : "may be exceeded";
  return [
    { name: "API calls in 24 hours", ...usage.api_calls, note: mode },
    { name: "Calls running 20 s or longer", ...usage.long_calls },
    { name: "Bulk batches in 24 hours", ...usage.bulk_batches },
    { name: "Data storage, MB", ...usage.data_storage_mb },
  ];
}

function showLimits(data) {
  show(byId("limits"), limitsOf(data.usage), (limit) => limit.name, (limit) => {
    const box = element("div", "limit");
    const head = element("div", "limit-head");
    head.append(element("span", "", limit.name), element("span"));
    const meter = element("div", "meter");
    meter.setAttribute("role", "meter");
    meter.setAttribute("aria-label", limit.name);
    meter.setAttribute("aria-valuemin", "0");
    meter.append(element("div"));
    box.append(head, meter);
    return box;
  }, (box, { used, max, note }) => {
    const share = max > 0 ? Math.min(1, used / max) : 1;
    const text = `${number(used)} of ${number(max)}${note ? `, ${note}` : ""}`;
    say(box.firstElementChild.lastElementChild, text);
    const meter = box.lastElementChild;
    dress(meter, share >= 1 ? "meter bad" : share >= 0.8 ? "meter warn" : "meter");
    meter.setAttribute("aria-valuemax", String(max));
    meter.setAttribute("aria-valuenow", String(Math.min(used, max)));
    meter.setAttribute("aria-valuetext", text);
    meter.firstElementChild.style.width = `${share * 100}%`;
  });
}

function showRate(data) {
  samples.push({ at: performance.now(), written: data.stats.records_upserted });
  if (samples.length > SAMPLES + 1) samples.shift();
  const rates = [];
  for (let i = 1; i < samples.length; i += 1) {
    const seconds = (samples[i].at - samples[i - 1].at) / 1000;
    rates.push(Math.max(0, (samples[i].written - samples[i - 1].written) / Math.max(seconds, 0.001)));
  }
  const most = Math.max(0, ...rates);
  const rounded = (rate) => number(rate < 10 ? Math.round(rate * 10) / 10 : Math.round(rate));
  say(byId("rate-now"), rates.length ? rounded(rates.at(-1)) : "–");
  say(byId("rate-most"), rates.length ? rounded(most) : "–");
  const points = rates.map((rate, i) => {
    const x = 300 - (rates.length - 1 - i) * (300 / (SAMPLES - 1));
    const y = 62 - (most > 0 ? rate / most : 0) * 58;
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  byId("rate-line").setAttribute("points", points.join(" "));
  const first = points.length ? points[0].split(",")[0] : "300";
  byId("rate-area").setAttribute("points", points.length ? `${first},64 ${points.join(" ")} 300,64` : "");
}

function nameOf(fields) {
  return [fields.FirstName, fields.LastName].filter(Boolean).join(" ");
}

function showLeads(data) {
  const key = data.key_field;
  say(byId("key-name"), key);
  show(byId("leads"), data.leads, (lead) => lead.id, (lead) => {
    const made = row("", "cut", "cut", "cut", "number", "time");
    const open = element("button", "open");
    open.type = "button";
    open.addEventListener("click", () => openLead(lead.id));
    made.firstElementChild.append(open);
    return made;
  }, (made, lead) => {
    const cells = made.children;
    const { fields } = lead;
    say(cells[0].firstElementChild, fields[key] ?? lead.id);
    say(cells[1], nameOf(fields));
    say(cells[2], fields.Company);
    say(cells[3], fields.Email);
    say(cells[4], number(lead.writes));
    say(cells[5], clockTime(lead.modified_micros));
    cells[5].title = dateTime(lead.modified_micros);
  });
  const shown = data.leads.length;
  const empty = byId("leads-empty");
  empty.hidden = shown > 0;
  if (view.search) say(empty, data.search_cut_short ? "Nothing was found among the newest 500,000 leads." : "No lead contains that.");
  else say(empty, view.offset > 0 ? "There are no older leads." : "No lead has been written yet.");
  const to = `${number(view.offset + 1)}–${number(view.offset + shown)}`;
  const all = view.search ? "" : ` of ${number(data.stats.leads)}`;
  say(byId("window"), shown ? `${to}${all}` : "");
  byId("newer").disabled = view.offset === 0;
  byId("older").disabled = !data.more_leads;
}

function statusClass(status) {
  if (status === null) return "pill bad";
  if (status < 300) return "pill good";
  return status < 500 ? "pill warn" : "pill bad";
}

function showCalls(data) {
  show(byId("calls"), data.requests, (call) => call.reply_sequence, () => {
    const made = row("time", "", "path code", "", "number", "number");
    made.children[3].append(element("span"));
    return made;
  }, (made, call) => {
    const cells = made.children;
    say(cells[0], clockTime(call.arrived_wall_micros));
    cells[0].title = dateTime(call.arrived_wall_micros);
    say(cells[1], call.method);
    say(cells[2], call.path);
    const pill = cells[3].firstElementChild;
    say(pill, call.status === null ? "no reply" : call.status);
    dress(pill, statusClass(call.status));
    say(cells[4], call.records > 0 ? number(call.records) : "");
    const took = (call.answered_monotonic_micros - call.arrived_monotonic_micros) / 1000;
    say(cells[5], took < 10 ? took.toFixed(1) : number(Math.round(took)));
  });
  byId("calls-empty").hidden = data.requests.length > 0;
}

const STATES = { active: "pill good", waiting: "pill warn", spent: "pill" };

// What a fault does and whom it is for, in one line: only what was said.
function describe(fault) {
  const { kind, ...details } = fault.action;
  const said = { ...details };
  for (const name of ["method", "path", "times", "skip", "after_seconds", "for_seconds", "every_seconds", "probability", "seed"]) {
    if (fault[name]) said[name] = fault[name];
  }
  if (fault.keys) said.keys = fault.keys.length > 5 ? `${fault.keys.length} keys` : fault.keys.join(", ");
  if (Object.keys(fault.headers ?? {}).length) said.headers = Object.keys(fault.headers).join(", ");
  const parts = Object.entries(said)
    .filter(([, value]) => value !== false && value !== "" && !(Array.isArray(value) && value.length === 0))
    .map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : value}`);
  return parts.join(" · ");
}

function listItem() {
  const made = element("li");
  const line = element("div", "line");
  line.append(element("span", "quiet"), element("strong"), element("span"), element("span", "end quiet"));
  made.append(line, element("div", "quiet code"));
  return made;
}

function showFaults(data) {
  show(byId("faults"), data.faults, (fault) => fault.id, listItem, (made, { id, fault, hits, state }) => {
    const [number_, kind, pill, end] = made.firstElementChild.children;
    say(number_, `#${id}`);
    say(kind, `${fault.action.kind.replaceAll("_", " ")} on ${fault.on}`);
    say(pill, state);
    dress(pill, STATES[state] ?? "pill");
    say(end, hits === 1 ? "1 hit" : `${number(hits)} hits`);
    say(made.lastElementChild, describe(fault));
  });
  byId("faults-empty").hidden = data.faults.length > 0;
}

function showHeld(data) {
  show(byId("held"), data.held, (held) => held.id, listItem, (made, held) => {
    const [number_, what, pill, end] = made.firstElementChild.children;
    say(number_, `#${held.id}`);
    say(what, held.method);
    say(pill, held.committed ? "committed" : "not committed");
    dress(pill, held.committed ? "pill good" : "pill warn");
    say(end, `for ${span(data.now_monotonic_micros - held.since_monotonic_micros)}`);
    const keys = held.keys.length ? ` · ${held.records === 1 ? "1 record" : `${number(held.records)} records`}: ${held.keys.join(", ")}` : "";
    say(made.lastElementChild, held.path + keys);
  });
  byId("held-empty").hidden = data.held.length > 0;
  byId("stepping").hidden = !data.stepping;
}

function showJobs(data) {
  byId("jobs-panel").hidden = data.jobs.length === 0;
  show(byId("jobs"), data.jobs, (job) => job.id, () => {
    const made = row("code", "", "", "number", "number", "time");
    made.children[2].append(element("span"));
    return made;
  }, (made, job) => {
    const cells = made.children;
    say(cells[0], job.id);
    say(cells[1], `${job.operation} ${job.object}${job.external_id_field ? ` by ${job.external_id_field}` : ""}`);
    const pill = cells[2].firstElementChild;
    say(pill, job.state);
    dress(pill, job.state === "JobComplete" ? "pill good" : job.state === "Failed" || job.state === "Aborted" ? "pill bad" : "pill warn");
    pill.title = job.error_message ?? "";
    say(cells[3], job.records > 0 ? `${number(job.records_processed)} of ${number(job.records)}` : "");
    say(cells[4], job.records_failed > 0 ? number(job.records_failed) : "");
    say(cells[5], clockTime(job.created_micros));
    cells[5].title = dateTime(job.created_micros);
  });
}

// ---- One lead -------------------------------------------------------------------------------------------------

async function openLead(id) {
  view.lead = id;
  byId("lead-fields").known?.clear();
  byId("lead-fields").replaceChildren();
  await refreshLead();
  if (view.lead === id && !byId("lead").open) byId("lead").showModal();
}

async function refreshLead() {
  const id = view.lead;
  if (id === null) return;
  const answer = await ask(`/__sandbox/leads/${encodeURIComponent(id)}`);
  if (view.lead !== id) return;
  const note = byId("lead-note");
  note.hidden = answer !== null;
  if (answer === null) {
    say(note, "This lead is gone: it was deleted.");
    return;
  }
  say(byId("lead-title"), nameOf(answer.fields) || "Lead");
  const rows = [
    ["Id", answer.id],
    ...Object.entries(answer.fields),
    ["Writes", number(answer.writes)],
    ["Created", `${dateTime(answer.created_micros)} UTC`],
    ["Modified", `${dateTime(answer.modified_micros)} UTC`],
  ];
  show(byId("lead-fields"), rows, ([name]) => name, ([name]) => {
    const box = element("div");
    box.append(element("dt", "", name), element("dd"));
    return box;
  }, (box, [, value]) => say(box.lastElementChild, typeof value === "object" ? JSON.stringify(value) : value));
}

// ---- Asking ---------------------------------------------------------------------------------------------------

// The answer, or null when there is none of that name.
async function ask(path) {
  const reply = await fetch(path, { signal: AbortSignal.timeout(PATIENCE_MS), headers: { Accept: "application/json" } });
  if (reply.status === 404) return null;
  if (!reply.ok) throw new Error(`status ${reply.status}`);
  return reply.json();
}

function connection(text, name) {
  say(byId("connection"), text);
  dress(byId("connection"), `state ${name}`);
}

async function refresh() {
  const turn = (view.asking += 1);
  clearTimeout(view.timer);
  try {
    const query = new URLSearchParams({ search: view.search, offset: String(view.offset), limit: String(LEADS) });
    const data = await ask(`/__sandbox/page.json?${query}`);
    if (data === null) throw new Error("no page.json");
    // A later question was asked meanwhile; its answer is the one to show.
    if (turn !== view.asking) return;
    if (data.leads.length === 0 && view.offset > 0 && data.stats.leads > 0 && !view.search) {
      view.offset = 0;
    }
    say(byId("org-id"), data.org_id);
    say(byId("edition"), data.edition ? `, ${data.edition}` : "");
    say(byId("clock"), dateTime(data.now_wall_micros));
    say(byId("uptime"), span(data.now_monotonic_micros));
    showCounters(data);
    showLimits(data);
    showRate(data);
    showLeads(data);
    showCalls(data);
    showFaults(data);
    showHeld(data);
    showJobs(data);
    if (byId("lead").open) await refreshLead();
    connection(view.paused ? "Paused" : "Live", view.paused ? "" : "good");
  } catch {
    if (turn !== view.asking) return;
    connection("No answer; what is shown is old", "bad");
  }
  if (!view.paused && !document.hidden) view.timer = setTimeout(refresh, EVERY_MS);
}

// ---- Controls -------------------------------------------------------------------------------------------------

byId("pause").addEventListener("click", () => {
  view.paused = !view.paused;
  byId("pause").setAttribute("aria-pressed", String(view.paused));
  say(byId("pause"), view.paused ? "Resume" : "Pause");
  if (view.paused) {
    clearTimeout(view.timer);
    connection("Paused", "");
  } else {
    samples.length = 0;
    refresh();
  }
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(view.timer);
  else if (!view.paused) refresh();
});

byId("search").addEventListener("input", () => {
  view.search = byId("search").value.trim();
  view.offset = 0;
  clearTimeout(view.timer);
  // While somebody types there is one question for a few letters, not one for each.
  view.timer = setTimeout(refresh, 200);
});

byId("search-form").addEventListener("submit", (event) => {
  event.preventDefault();
  refresh();
});

byId("older").addEventListener("click", () => {
  view.offset += LEADS;
  refresh();
});

byId("newer").addEventListener("click", () => {
  view.offset = Math.max(0, view.offset - LEADS);
  refresh();
});

byId("lead-close").addEventListener("click", () => byId("lead").close());
byId("lead").addEventListener("close", () => {
  view.lead = null;
});

refresh();

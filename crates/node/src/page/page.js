// The page is a client of the API. All that it shows is set as text, never as markup: event data is hostile.
"use strict";

const $ = (selector) => document.querySelector(selector);
const KEY = "ensue-token";

async function ask(path, say) {
  const token = sessionStorage.getItem(KEY);
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  if (say) headers["content-type"] = "application/json";
  const response = await fetch(path, { headers, method: say ? "POST" : "GET", body: say && JSON.stringify(say) });
  const body = await response.json();
  if (response.status === 401 || (response.status === 403 && !say)) {
    sessionStorage.removeItem(KEY);
    throw new Error(token ? body.error.message : "sign in to see more");
  }
  if (!response.ok) throw new Error(body.error ? body.error.message : response.statusText);
  return body;
}

function cell(row, text, kind) {
  const td = document.createElement("td");
  td.textContent = text ?? "";
  if (kind) td.className = kind;
  row.append(td);
  return td;
}

function button(td, text, action) {
  td.textContent = "";
  const element = document.createElement("button");
  element.className = "link";
  element.textContent = text;
  element.addEventListener("click", action);
  td.append(element);
}

function rows(table, list, fill) {
  const body = $(`${table} tbody`);
  body.replaceChildren(...list.map((item) => {
    const row = document.createElement("tr");
    fill(row, item);
    return row;
  }));
}

const time = (text) => (text ? new Date(text).toLocaleString() : "");

function draw(tree, depth = 0) {
  const mark = tree.asked ? "  ◄ asked" : "";
  const at = tree.at ? `  ${new Date(tree.at).toLocaleTimeString()}` : "";
  const place = tree.position === undefined ? "" : `  #${tree.position}`;
  const reasons = (tree.because ?? []).map((reason) => `${"  ".repeat(depth + 2)}because ${reason}`);
  const lines = [`${"  ".repeat(depth)}${tree.text}${place}${at}${mark}`, ...reasons];
  return [...lines, ...(tree.then ?? []).map((child) => draw(child, depth + 1))].join("\n");
}

async function why(id) {
  const section = $("#why");
  section.hidden = false;
  try {
    section.querySelector("pre").textContent = draw(await ask(`/api/v1/why/${encodeURIComponent(id)}`));
  } catch (error) {
    section.querySelector("pre").textContent = error.message;
  }
  section.scrollIntoView({ block: "nearest" });
}

// A link to what a run asks: #/approve/RUN/STEP. Whoever follows it only looks; an answer is a press of a button, and
// names what was shown: an approval of something else is none.
let asked = null;
async function approval() {
  const found = /^#\/approve\/([^/]+)\/(.+)$/.exec(location.hash);
  $("#approve").hidden = !found || !sessionStorage.getItem(KEY);
  if ($("#approve").hidden) return;
  const [run, step] = found.slice(1).map(decodeURIComponent);
  const path = `/api/v1/runs/${encodeURIComponent(run)}`;
  if (asked && asked.path === path && asked.step === step) return;
  try {
    const told = await ask(path);
    const wait = (told.waitsFor ?? []).find((wait) => wait.person === step);
    $("#approve-what").textContent = wait ? `${told.rule}, run ${told.id.slice(0, 12)}, asks at ${step}:`
      : `${told.rule}, run ${told.id.slice(0, 12)}, is ${told.status} and does not ask at ${step} (any more).`;
    $("#approve-form").hidden = !wait;
    const shown = wait && wait.ask ? wait.ask.shown : [];
    $("#approve-shown").replaceChildren(...shown.flatMap((one) => {
      const [name, value] = [document.createElement("dt"), document.createElement("dd")];
      name.textContent = one.what;
      value.textContent = typeof one.value === "string" ? one.value : JSON.stringify(one.value);
      return [name, value];
    }));
    asked = { path, step, digest: wait && wait.ask ? wait.ask.digest : undefined };
  } catch (error) {
    $("#approve-what").textContent = error.message;
    $("#approve-form").hidden = true;
  }
}

$("#approve-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const refuse = event.submitter.value === "no";
  try {
    await ask(`${asked.path}/approve`, { step: asked.step, shown: asked.digest, refuse, reason: $("#reason").value });
    $("#approve-answer").textContent = refuse ? "You said no." : "You said yes.";
  } catch (error) {
    $("#approve-answer").textContent = error.message;
  }
  asked = null;
  refresh();
});

async function refresh() {
  await approval();
  try {
    const [status, runs, events, rules] = await Promise.all([
      ask("/api/v1/status"), ask("/api/v1/runs?limit=25"), ask("/api/v1/events?limit=25"), ask("/api/v1/rules"),
    ]);
    const frozen = status.freezes ? ", frozen" : "";
    $("#status").textContent = `${status.ready ? "ready" : status.why}, ${status.end} records, ${status.lag} to fold, `
      + `${status.outbox} effects wait${frozen}`;
    rows("#runs", runs.runs, (row, run) => {
      cell(row, time(run.started), "time");
      cell(row, run.rule);
      cell(row, run.status, run.status);
      cell(row, run.failed ? `${run.failed.step}: ${run.failed.error.message}` : run.step);
      button(cell(row, "", "id"), run.id.slice(0, 12), () => why(run.id));
    });
    rows("#events", events.events.filter((entry) => entry.event), (row, entry) => {
      button(cell(row, "", "number"), String(entry.position), () => why(String(entry.position)));
      cell(row, time(entry.at), "time");
      cell(row, entry.event.type);
      cell(row, entry.event.source);
      cell(row, entry.event.subject);
    });
    rows("#rules", rules.rules, (row, rule) => {
      cell(row, rule.name);
      cell(row, rule.mode, rule.mode);
      cell(row, rule.fired, "number");
      cell(row, rule.suppressed, "number");
      cell(row, rule.errors, rule.errors ? "number bad" : "number");
      cell(row, time(rule.last), "time");
    });
    $("#content").hidden = false;
    $("#sign-in").hidden = true;
  } catch (error) {
    $("#status").textContent = error.message;
    if (!sessionStorage.getItem(KEY)) {
      $("#content").hidden = true;
      $("#sign-in").hidden = false;
    }
  }
}

$("#token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, $("#token").value.trim());
  $("#token").value = "";
  refresh();
});
window.addEventListener("hashchange", () => { asked = null; $("#approve-answer").textContent = ""; refresh(); });
refresh();
setInterval(() => { if (sessionStorage.getItem(KEY) && !document.hidden) refresh(); }, 3000);

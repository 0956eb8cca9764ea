"use strict";
const API = "/2025-12-01";
const find = (id) => document.getElementById(id);
const rows = new Map();

function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function tell(problem) {
  find("problem").textContent = problem;
  find("problem").hidden = !problem;
}

/** Sends a request; shows why it was refused, or that nothing answers. Resolves to whether it was served. */
async function send(path, body, headers = {}) {
  try {
    const answer = await fetch(path, { method: "POST", body, headers });
    if (answer.ok) {
      tell("");
      return true;
    }
    const error = await answer.json();
    tell(`${answer.headers.get("x-amzn-errortype")}: ${error.message}`);
  } catch (error) {
    tell(`durabletest serve does not answer: ${error.message}`);
  }
  return false;
}

const sendJson = (path, value) => send(path, JSON.stringify(value), { "Content-Type": "application/json" });
const moment = (text) => text.replace("T", " ").replace(/\+00:00$/, "").replace(/\.(\d{3})\d*$/, ".$1");

// --- what can be done ---

find("start").addEventListener("submit", async (event) => {
  event.preventDefault();
  const headers = { "Content-Type": "application/json", "X-Amz-Invocation-Type": "Event" };
  if (find("name").value) headers["X-Amz-Durable-Execution-Name"] = find("name").value;
  const target = encodeURIComponent(`${find("function").value}:$LATEST`);
  if (await send(`/2015-03-31/functions/${target}/invocations`, find("payload").value, headers)) find("name").value = "";
});

find("move").addEventListener("submit", (event) => {
  event.preventDefault();
  sendJson("/durabletest/time", {});
});

find("advance").addEventListener("click", () => {
  if (find("seconds").reportValidity()) sendJson("/durabletest/time", { seconds: find("seconds").valueAsNumber });
});

function answering(callback) {
  const path = `${API}/durable-execution-callbacks/${encodeURIComponent(callback.id)}`;
  const input = make("input", { value: "", autocomplete: "off", spellcheck: false, placeholder: "result, or message of the error" });
  const label = make("label", {}, `Callback ${callback.name}`, input);
  const fail = make("button", { type: "button", textContent: "Fail" });
  fail.addEventListener("click", () => sendJson(`${path}/fail`, { ErrorType: "Failed", ErrorMessage: input.value }));
  const form = make("form", { className: "answer" }, label, make("button", { type: "submit", textContent: "Succeed" }), fail);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(`${path}/succeed`, input.value, { "Content-Type": "application/octet-stream" });
  });
  return form;
}

// --- what is shown ---

function rowOf(execution) {
  const link = make("a", { className: "name", href: `/durabletest/executions/${execution.id}`, textContent: execution.name });
  const status = make("span");
  const facts = make("span", { className: "quiet" });
  const stop = make("button", { type: "button", textContent: "Stop" });
  stop.addEventListener("click", () => sendJson(`${API}/durable-executions/${encodeURIComponent(execution.arn)}/stop`, {}));
  const line = make("div", { className: "line" }, link, status, facts, stop);
  const waiting = make("p", { className: "waiting" });
  const callbacks = make("div");
  const outcome = make("p", { className: "outcome" });
  const element = make("li", {}, line, waiting, callbacks, outcome);
  const forms = new Map();
  function update(now) {
    status.textContent = now.status;
    status.className = `status ${now.status}`;
    facts.textContent = `${now.function}, started ${moment(now.started)}${now.ended ? `, ended ${moment(now.ended)}` : ""}`;
    stop.hidden = Boolean(now.ended);
    waiting.textContent = now.waiting.map((one) => `${one.operation ?? "execution"}: ${one.reason}${one.due ? `, due ${moment(one.due)}` : ""}`).join("; ");
    waiting.hidden = !now.waiting.length;
    outcome.textContent = now.outcome ?? "";
    outcome.hidden = now.outcome === null;
    const open = new Set(now.callbacks.map((callback) => callback.id));
    for (const [id, form] of forms) {
      if (!open.has(id)) {
        form.remove();
        forms.delete(id);
      }
    }
    for (const callback of now.callbacks) {
      if (!forms.has(callback.id)) {
        forms.set(callback.id, answering(callback));
        callbacks.append(forms.get(callback.id));
      }
    }
  }
  return { element, update };
}

function show(state) {
  const virtual = state.pace !== "real";
  const due = state.due ? `; the next timer is due at ${moment(state.due)}` : "";
  const held = state.held ? "; time stands still for a callback" : "";
  find("time").textContent = virtual ? `Virtual time: ${moment(state.now)}${due}${held}` : `Real time${due}`;
  find("move").hidden = !virtual;
  find("next").disabled = !state.due;
  const options = find("function");
  if (options.length !== state.functions.length) {
    options.replaceChildren(...state.functions.map((name) => make("option", { textContent: name })));
  }
  const list = find("executions");
  const present = new Set(state.executions.map((execution) => execution.arn));
  for (const [arn, row] of rows) {
    if (!present.has(arn)) {
      row.element.remove();
      rows.delete(arn);
    }
  }
  state.executions.forEach((execution, place) => {
    if (!rows.has(execution.arn)) rows.set(execution.arn, rowOf(execution));
    const row = rows.get(execution.arn);
    row.update(execution);
    if (list.children[place] !== row.element) list.insertBefore(row.element, list.children[place] ?? null);
  });
  find("none").hidden = state.total > 0;
  const shown = state.executions.length;
  find("total").textContent = shown < state.total ? `the last ${shown} of ${state.total}` : state.total || "";
}

const changes = new EventSource("/durabletest/changes");
changes.addEventListener("message", (event) => show(JSON.parse(event.data)));
changes.addEventListener("open", () => tell(""));
changes.addEventListener("error", () => tell("durabletest serve does not answer: was it stopped?"));

// The status bar. Halt is confirmed by the desk's own state, never by the click.
const CONFIRM_MS = 5000;
const SURE_MS = 3000;

function buildStatus(el) {
  el.replaceChildren();
  const root = element("div", "cd cd-panel cd-status", el);
  root.setAttribute("role", "region");
  root.setAttribute("aria-label", "desk status");
  const who = element("div", "cd-status-who", root);
  const label = element("span", "cd-label", who);
  const name = element("span", "cd-title", who);
  const state = element("span", "cd-state", root);
  state.setAttribute("role", "status");
  const reason = element("span", "cd-muted cd-status-reason", root);
  const items = element("div", "cd-status-items", root);
  const clock = element("span", "cd-muted cd-status-clock", root);
  const buttons = element("div", "cd-status-buttons", root);
  const word = element("div", "cd-status-word", root);
  word.setAttribute("role", "alert");
  const button = (verb, text) => {
    const node = element("button", `cd-button cd-button-${verb}`, buttons, text);
    node.type = "button";
    node.dataset.verb = verb;
    return node;
  };
  return {
    root, label, name, state, reason, items, clock, word,
    resume: button("resume", "Resume"), flatten: button("flatten", "Flatten"), halt: button("halt", "HALT"),
  };
}

const SIGN = { ACTIVE: "●", REDUCING: "◐", HALTED: "■" };

function drawItems(parent, items) {
  items.forEach((item, i) => {
    const node = parent.children[i] ?? element("div", "cd-item", parent);
    if (!node.children.length) {
      element("span", "cd-item-name", node);
      element("span", "cd-item-value", node);
    }
    node.dataset.key = item.key;
    setText(node.children[0], item.name);
    setText(node.children[1], item.text);
    node.children[1].className = `cd-item-value${item.tone ? ` cd-${item.tone}` : ""}`;
  });
}

function render({ model, el }) {
  const parts = buildStatus(el);
  const wait = { since: 0, sure: 0, timer: 0 };
  let silence = 0;

  const send = (verb) => model.send({ verb });
  parts.halt.addEventListener("click", () => {
    send("halt");
    wait.since = performance.now();
    wait.timer = setTimeout(() => pulse.wake(), CONFIRM_MS + 50);
    pulse.wake();
  });
  parts.resume.addEventListener("click", () => send("resume"));
  parts.flatten.addEventListener("click", () => {
    const now = performance.now();
    if (now - wait.sure < SURE_MS) {
      wait.sure = 0;
      send("flatten");
    } else {
      wait.sure = now;
      setTimeout(() => pulse.wake(), SURE_MS + 50);
    }
    pulse.wake();
  });

  const word = () => {
    if (wait.since && model.get("state") === "HALTED") wait.since = 0;
    if (wait.since) {
      const late = performance.now() - wait.since > CONFIRM_MS;
      return late ? ["halt NOT confirmed; the stops stay on the venue", "alarm"] : ["halting…", "warn"];
    }
    if (silence) return [`stale: the kernel has been silent for ${(silence / 1000).toFixed(0)} s`, "alarm"];
    if (model.get("outcome")) return [model.get("outcome"), "alarm"];
    return ["", "muted"];
  };
  const draw = () => {
    const state = model.get("state");
    setText(parts.label, model.get("label"));
    parts.label.dataset.label = model.get("label");
    setText(parts.name, model.get("name"));
    setText(parts.state, state ? `${SIGN[state] ?? ""} ${state}` : "…");
    parts.state.dataset.state = state;
    setText(parts.reason, model.get("reason"));
    parts.reason.title = model.get("reason");
    drawItems(parts.items, model.get("items"));
    setText(parts.clock, model.get("clock"));
    const [text, tone] = word();
    setText(parts.word, text);
    parts.word.className = `cd-status-word cd-${tone}`;
    parts.resume.disabled = state === "ACTIVE";
    setText(parts.flatten, performance.now() - wait.sure < SURE_MS && wait.sure ? "Sure?" : "Flatten");
    parts.root.dataset.frames = String(Number(parts.root.dataset.frames || 0) + 1);
  };
  const pulse = live({
    model, el: parts.root, draw,
    stale: (ms) => {
      if (!ms && !silence) return;
      silence = ms;
      pulse.wake();
    },
  });
  return () => {
    clearTimeout(wait.timer);
    pulse.stop();
  };
}

export default { render };

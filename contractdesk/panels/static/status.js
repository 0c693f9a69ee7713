// The status bar. Halt is confirmed by the desk's own state, never by the click.
const CONFIRM_MS = 5000;

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
  const button = (verb, text, said) => {
    const node = element("button", `cd-button cd-button-${verb}`, buttons, text);
    node.type = "button";
    node.dataset.verb = verb;
    node.title = said;
    node.setAttribute("aria-label", said);
    return node;
  };
  return {
    root, label, name, state, reason, items, clock, word,
    help: button("help", "?", "Keys of the console (?)"),
    resume: button("resume", "Resume", "Resume: let strategies trade again"),
    cancel: button("cancel", "Cancel all", "Cancel all orders that rest; stops stay (Shift+X)"),
    flatten: button("flatten", "Flatten", "Flatten: cancel entries and close every position (Shift+F)"),
    halt: button("halt", "HALT", "Halt: strategies send nothing, entries go, stops stay (Shift+H)"),
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
  const wait = { since: 0, sure: null, timer: 0 };
  let silence = 0;

  const send = (verb, more = {}) => model.send({ verb, ...more });
  const halt = () => {
    send("halt");
    wait.sure = null;
    wait.since = performance.now();
    wait.timer = setTimeout(() => pulse.wake(), CONFIRM_MS + 50);
    pulse.wake();
  };
  const sure = () => {
    if (wait.sure && performance.now() - wait.sure.at > SURE_MS) wait.sure = null;
    return wait.sure;
  };
  // The first press asks, the second one acts, on what the first one was about.
  const askTwice = (verb) => {
    const asked = sure();
    wait.sure = null;
    if (asked?.verb === verb) {
      send(verb, verb === "close" ? { symbol: asked.symbol } : {});
    } else {
      wait.sure = { verb, at: performance.now(), symbol: model.get("symbol") };
      setTimeout(() => pulse.wake(), SURE_MS + 50);
    }
    pulse.wake();
  };
  const ask = (verb) => {
    if (verb === "halt") halt();
    else if (sheet().hotkeys.find((hotkey) => hotkey.verb === verb)?.sure) askTwice(verb);
    else send(verb);
  };
  const sheet = () => model.get("sheet");
  const help = helpSheet(el, sheet);
  const enter = () => {
    const asked = sure();
    if (asked) askTwice(asked.verb);
    return Boolean(asked);
  };
  const escape = () => {
    if (help.close()) return true;
    const asked = Boolean(sure());
    wait.sure = null;
    pulse.wake();
    return asked;
  };
  const unhook = hotkeys({ el, sheet, ask, enter, escape, help: help.toggle });
  parts.help.addEventListener("click", help.toggle);
  parts.halt.addEventListener("click", halt);
  parts.resume.addEventListener("click", () => send("resume"));
  parts.cancel.addEventListener("click", () => send("cancel_all"));
  parts.flatten.addEventListener("click", () => askTwice("flatten"));

  const word = () => {
    const asked = sure();
    if (asked) {
      const what = asked.verb === "close" ? `Close ${asked.symbol || "the position"}` : "Flatten everything";
      const chord = sheet().hotkeys.find((hotkey) => hotkey.verb === asked.verb)?.chord;
      return [`${what}? Press ${chord} again, or Enter; Escape leaves it`, "warn"];
    }
    if (wait.since && model.get("state") === "HALTED") wait.since = 0;
    if (wait.since) {
      const late = performance.now() - wait.since > CONFIRM_MS;
      return late ? ["halt NOT confirmed; the stops stay on the venue", "alarm"] : ["halting…", "warn"];
    }
    if (silence) return [`stale: the kernel has been silent for ${(silence / 1000).toFixed(0)} s`, "alarm"];
    const amiss = [model.get("trouble"), model.get("outcome")].filter(Boolean).join("; ");
    if (amiss) return [amiss, "alarm"];
    return [model.get("said"), "muted"];
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
    setText(parts.flatten, sure()?.verb === "flatten" ? "Sure?" : "Flatten");
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
    unhook();
    pulse.stop();
  };
}

export default { render };

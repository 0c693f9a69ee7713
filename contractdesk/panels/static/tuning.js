// Controls edit a draft that the kernel keeps; what is shown is the kernel's word, but for the moment
// in which an own edit is on its way.
const OWN_MS = 1500; // an edit that has no echo by then was lost
const PACE_MS = 120; // between two words of a slider that is being moved
const WAY = 1000; // positions of a slider
const KEYS = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 };
let views = 0;

// -- sliders: a value has its place on a curve, a step its size from the value -------------------

function stepOf(row, value) {
  if (row.whole) return 1;
  const [low, high] = row.scale;
  const size = Math.abs(value) || (high - low) / 100;
  return 10 ** (Math.floor(Math.log10(size)) - 1);
}

function textOf(row, value, step) {
  const [low, high] = row.scale;
  const within = Math.min(high, Math.max(low, value));
  const rounded = Math.round(within / step) * step;
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return String(Number(Math.min(high, Math.max(low, rounded)).toFixed(row.whole ? 0 : digits)));
}

function placeOf(row, text) {
  const [low, high, curve] = row.scale;
  const share = (Number(text) - low) / (high - low || 1);
  return Math.round(WAY * Math.min(1, Math.max(0, share)) ** (1 / curve));
}

function valueAt(row, place) {
  const [low, high, curve] = row.scale;
  const value = low + (high - low) * (place / WAY) ** curve;
  return place <= 0 || place >= WAY ? String(value) : textOf(row, value, stepOf(row, value));
}

function moved(row, text, key) {
  const [low, high] = row.scale;
  if (key === "Home") return String(low);
  if (key === "End") return String(high);
  const value = Number(text);
  return textOf(row, value + KEYS[key] * stepOf(row, value), stepOf(row, value));
}

// -- one control ---------------------------------------------------------------------------------

// A button that is off keeps the focus: whoever came with the keyboard must not lose their place.
function switchOff(button, off) {
  button.setAttribute("aria-disabled", String(off));
}

function onPress(button, act) {
  button.addEventListener("click", () => {
    if (button.getAttribute("aria-disabled") !== "true") act();
  });
}

const hintOf = (row) => [row.doc, row.range].filter(Boolean).join("; ");

// JupyterLab's own shortcuts must not take the keys of a control.
function control(tag, type, id, row, parent) {
  const node = element(tag, `cd-tune-${type}`, parent);
  if (tag === "input") node.type = type === "number" ? "text" : type;
  node.id = id;
  node.dataset.lmSuppressShortcuts = "true";
  node.title = hintOf(row);
  return node;
}

function numberControl(row, id, parent, want) {
  let slider = null;
  let said = "";
  if (row.scale) {
    slider = control("input", "range", `${id}-slider`, row, parent);
    slider.min = 0;
    slider.max = WAY;
    slider.setAttribute("aria-label", `${row.title}, slider`);
    slider.addEventListener("input", () => want(valueAt(row, Number(slider.value)), true));
    slider.addEventListener("keydown", (event) => {
      if (!(event.key in KEYS) && event.key !== "Home" && event.key !== "End") return;
      event.preventDefault();
      event.stopPropagation();
      want(moved(row, said, event.key), true);
    });
  } else element("span", "", parent);
  const field = control("input", "number", id, row, parent);
  field.inputMode = "decimal";
  textKeys(field, () => said, want);
  return (value) => {
    said = value;
    if (slider) {
      slider.value = placeOf(row, value);
      slider.setAttribute("aria-valuetext", `${value} ${row.unit}`.trim());
    }
    if (document.activeElement !== field || field.dataset.typing !== "yes") field.value = value;
  };
}

function textKeys(field, said, want) {
  const end = () => {
    if (field.dataset.typing !== "yes") return;
    field.dataset.typing = "";
    if (field.value !== said()) want(field.value);
  };
  field.autocomplete = "off";
  field.spellcheck = false;
  field.addEventListener("input", () => (field.dataset.typing = "yes"));
  field.addEventListener("blur", end);
  field.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter") end();
    if (event.key === "Escape") {
      field.dataset.typing = "";
      field.value = said();
    }
  });
}

function textControl(row, id, parent, want) {
  let said = "";
  const field = control("input", "text", id, row, parent);
  textKeys(field, () => said, want);
  return (value) => {
    said = value;
    if (field.dataset.typing !== "yes") field.value = value;
  };
}

function toggleControl(row, id, parent, want) {
  const box = control("input", "checkbox", id, row, parent);
  box.setAttribute("role", "switch");
  const word = element("span", "cd-muted", parent);
  box.addEventListener("change", () => want(box.checked));
  return (value) => {
    box.checked = value;
    setText(word, value ? "on" : "off");
  };
}

function choiceControl(row, id, parent, want) {
  const list = control("select", "select", id, row, parent);
  row.choices.forEach((choice, i) => {
    const option = element("option", "", list, choice);
    option.value = String(i);
  });
  list.addEventListener("change", () => want(Number(list.value)));
  return (value) => {
    if (list.value !== String(value)) list.value = String(value);
  };
}

const CONTROLS = { number: numberControl, text: textControl, toggle: toggleControl, choice: choiceControl };

// -- the parts -----------------------------------------------------------------------------------

function buildTuning(el) {
  el.replaceChildren();
  const root = element("div", "cd cd-panel cd-tuning", el);
  root.setAttribute("role", "region");
  root.setAttribute("aria-label", "tuning");
  const head = element("div", "cd-head", root);
  element("span", "cd-title", head, "Tuning");
  const note = element("span", "cd-note", head);
  const label = element("span", "cd-label", head);
  const body = element("div", "cd-body cd-tune-body", root);
  const groups = element("div", "cd-tune-groups", body);
  const side = element("div", "cd-tune-side", body);
  const card = (title) => {
    const node = element("section", "cd-tune-card", side);
    const top = element("div", "cd-tune-cardhead", node);
    const name = element("span", "cd-title", top, title);
    return { node, top, name, inside: element("div", "cd-tune-inside", node) };
  };
  const draft = card("Draft");
  const replay = card("Replay");
  const audit = card("Changes");
  const foot = element("div", "cd-tune-foot", root);
  const word = element("div", "cd-tune-word", foot);
  word.setAttribute("role", "status");
  const button = (text, name, parent) => {
    const node = element("button", `cd-tune-button cd-tune-${name}`, parent, text);
    node.type = "button";
    return node;
  };
  const revert = button("Revert", "revert", foot);
  const apply = button("Apply", "apply", foot);
  return { root, note, label, groups, draft, replay, audit, word, revert, apply, button };
}

function buildReplay(parts, send) {
  const { top, inside } = parts.replay;
  const hours = element("select", "cd-tune-select", top);
  hours.setAttribute("aria-label", "how long a replay");
  hours.dataset.lmSuppressShortcuts = "true";
  [[1, "last hour"], [6, "last 6 hours"], [24, "last day"]].forEach(([value, text]) => {
    element("option", "", hours, text).value = String(value);
  });
  const go = parts.button("Replay the draft", "replay", top);
  const bar = element("progress", "cd-tune-progress", inside);
  bar.max = 1;
  const text = element("div", "cd-muted", inside);
  const table = element("div", "cd-tune-table", inside);
  let running = false;
  onPress(go, () => send(running ? { do: "cancel" } : { do: "replay", hours: Number(hours.value) }));
  return (state, changed) => {
    running = state.phase === "running";
    setText(go, running ? "Cancel" : "Replay the draft");
    switchOff(go, !running && !changed);
    bar.hidden = !running;
    bar.value = state.share ?? 0;
    setText(text, state.text || "What the draft would have done, beside what runs.");
    text.className = state.phase === "failed" ? "cd-warn" : "cd-muted";
    fill(table, state.html ?? "");
  };
}

function fill(node, html) {
  if (node.dataset.html === html) return;
  node.dataset.html = html;
  node.innerHTML = html; // made in the kernel, where every value is escaped
}

function drawRow(parent, row, send) {
  const line = element("div", "cd-tune-diff", parent);
  line.dataset.key = row.key;
  element("span", "cd-tune-what", line, row.title).title = row.owner;
  const change = element("span", "cd-tune-change", line);
  element("span", "cd-muted", change, row.was);
  element("span", "cd-muted", change, " → ");
  element("b", "", change, row.now);
  const drop = element("button", "cd-tune-drop", line, "×");
  drop.type = "button";
  drop.setAttribute("aria-label", `drop ${row.title}`);
  drop.addEventListener("click", () => send({ do: "drop", key: row.key }));
  if (row.means) element("span", `cd-tune-means cd-${row.tone}`, line, row.means);
  if (row.moved) {
    const note = element("span", "cd-tune-means cd-alarm", line, `changed elsewhere: ${row.moved} `);
    const keep = element("button", "cd-tune-button cd-tune-keep", note, "Keep mine");
    keep.type = "button";
    keep.addEventListener("click", () => send({ do: "keep", key: row.key }));
  }
}

function drawDraft(parent, rows, send) {
  const said = JSON.stringify(rows);
  if (parent.dataset.said === said) return;
  parent.dataset.said = said;
  const focused = parent.contains(document.activeElement);
  parent.replaceChildren();
  if (!rows.length) element("div", "cd-muted", parent, "Move a control: what it changes stands here first.");
  let owner = "";
  for (const row of rows) {
    if (row.owner !== owner) element("div", "cd-tune-owner", parent, (owner = row.owner));
    drawRow(parent, row, send);
  }
  if (focused) parent.querySelector("button")?.focus();
}

function buildGroups(parent, groups, prefix, want) {
  parent.replaceChildren();
  const controls = new Map();
  for (const group of groups) {
    const box = element("details", "cd-tune-group", parent);
    box.open = group.open;
    const title = element("summary", "cd-tune-summary", box);
    title.dataset.lmSuppressShortcuts = "true";
    element("span", "cd-title", title, group.title);
    element("span", "cd-note", title, group.note);
    for (const row of group.rows) {
      const line = element("div", `cd-tune-row cd-tune-of-${row.kind}`, box);
      line.title = hintOf(row);
      line.dataset.hint = `${row.title}: ${hintOf(row)}`;
      const id = `${prefix}-${controls.size}`;
      const name = element("label", "cd-tune-name", line, row.title);
      name.htmlFor = id;
      const show = CONTROLS[row.kind](row, id, line, (value, often) => want(row.key, value, often));
      element("span", "cd-tune-unit cd-muted", line, row.unit);
      controls.set(row.key, { line, show });
    }
  }
  if (!groups.length) element("div", "cd-muted", parent, "nothing runs that can be tuned");
  return controls;
}

// -- the panel -----------------------------------------------------------------------------------

function render({ model, el }) {
  const prefix = `cd-tune-${(views += 1)}`;
  const parts = buildTuning(el);
  const own = new Map(); // edits that are on their way: key -> {value, at}
  const latest = new Map(); // what was last wanted, by key
  const late = new Map(); // timers of sliders that move
  let built = "";
  let hint = "";
  let controls = new Map();

  const send = (content) => {
    try {
      model.send(content);
    } catch {
      // a saved notebook without a kernel
    }
  };
  const say = (key) => {
    late.delete(key);
    send({ do: "want", key, value: latest.get(key) });
  };
  const want = (key, value, often) => {
    own.set(key, { value, often, at: performance.now(), revision: model.get("state").revision });
    latest.set(key, value);
    if (!often) say(key);
    else if (!late.has(key)) late.set(key, setTimeout(say, PACE_MS, key));
    draw();
    setTimeout(draw, OWN_MS + 50); // what was refused goes back to what is
  };
  const drawReplay = buildReplay(parts, send);
  // What a control is and may be, also for those who have no pointer.
  const explain = (event) => {
    const line = event.target.closest?.(".cd-tune-row");
    if (!line || hint === line.dataset.hint) return;
    hint = line.dataset.hint;
    draw();
  };
  parts.groups.addEventListener("focusin", explain);
  parts.groups.addEventListener("pointerover", explain);
  onPress(parts.revert, () => {
    own.clear();
    send({ do: "drop" });
  });
  onPress(parts.apply, () => send({ do: "apply", revision: model.get("state").revision }));

  const shownOf = (key, said) => {
    const mine = own.get(key);
    if (!mine) return said;
    const heard = !mine.often && model.get("state").revision > mine.revision;
    if (mine.value === said || heard || performance.now() - mine.at > OWN_MS) {
      own.delete(key);
      return said;
    }
    return mine.value;
  };
  function draw() {
    const groups = JSON.stringify(model.get("groups"));
    if (groups !== built) {
      built = groups;
      controls = buildGroups(parts.groups, model.get("groups"), prefix, want);
    }
    const [shown, rows, state] = [model.get("shown"), model.get("rows"), model.get("state")];
    const changed = new Set(rows.map((row) => row.key));
    for (const [key, { line, show }] of controls) {
      show(shownOf(key, shown[key]));
      line.classList.toggle("cd-tune-changed", changed.has(key));
    }
    drawDraft(parts.draft.inside, rows, send);
    drawReplay(model.get("replay"), rows.length > 0);
    fill(parts.audit.inside, model.get("audit").html ?? "");
    setText(parts.audit.name, `Changes ${model.get("audit").count || ""}`.trim());
    setText(parts.label, model.get("label"));
    parts.label.dataset.label = model.get("label");
    drawFoot(rows, state);
  }
  const drawFoot = (rows, state) => {
    const count = rows.length ? `${rows.length} ${rows.length === 1 ? "change" : "changes"} in the draft` : "";
    setText(parts.note, count || "what runs");
    const ask = state.ask ? "this loosens a limit on LIVE: click once more to do it" : "";
    const word = ask || state.trouble || state.word;
    setText(parts.word, word || hint || count);
    parts.word.className = `cd-tune-word cd-${ask || state.trouble ? "warn" : word ? state.tone : "muted"}`;
    setText(parts.apply, state.ask ? "Loosen on LIVE: sure?" : "Apply");
    parts.apply.classList.toggle("cd-tune-sure", Boolean(state.ask));
    const idle = !rows.length || own.size > 0 || Boolean(state.trouble) || state.open === false;
    switchOff(parts.apply, idle || rows.some((row) => row.moved));
    switchOff(parts.revert, !rows.length);
    parts.root.dataset.frames = String(Number(parts.root.dataset.frames || 0) + 1);
  };
  const pulse = live({ model, el: parts.root, draw });
  return () => {
    late.forEach(clearTimeout);
    pulse.stop();
  };
}

export default { render };
